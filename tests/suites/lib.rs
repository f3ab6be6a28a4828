//! Tests that need no QEMU. Each file has one subject; `fixture` and the package `everboot-kit` are what they
//! use.
#![cfg(test)]

mod baseline;
mod blocked;
mod bundle;
mod cli;
mod copies;
mod corpus;
mod cuts;
mod decide;
mod delta;
mod disks;
mod documents;
mod fetch;
mod fixture;
mod floor;
mod flows;
mod formats;
mod growth;
mod history;
mod lifecycle;
mod manual;
mod parts;
mod record;
mod recovery;
mod repair;
mod shell;
mod slot;
mod sources;
mod tidy;
mod tree;
mod trust;
mod upgrades;
mod zeroes;
