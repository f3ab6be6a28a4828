//! Tests that need no QEMU. Each file tells one story; `sim` and `picture` are what they tell it with.

mod decide;
mod layers;
mod lifecycle;
mod picture;
mod record;
