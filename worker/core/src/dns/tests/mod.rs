//! Tables of names, and what is said to them.

mod lookup;
mod updates;
mod world;
