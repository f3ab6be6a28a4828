//! Tests that need no QEMU. Each file tells one story; `bench`, `picture`, `sim`, `told` and `world` are what they tell it with.

mod bench;
mod bundle;
mod cli;
mod copies;
mod corpus;
mod crash;
mod cuts;
mod decide;
mod delta;
#[cfg(feature = "fetch")]
mod fetch;
mod floor;
mod flows;
#[path = "fuzz/src/lib.rs"]
mod fuzz;
mod layers;
mod lifecycle;
mod manual;
mod picture;
mod readme;
mod record;
mod recovery;
mod repair;
mod shell;
mod sim;
mod slot;
mod sources;
mod told;
mod tree;
mod trust;
mod world;
mod zeroes;
