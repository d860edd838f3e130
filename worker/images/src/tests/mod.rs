//! Tests of the store as a whole, against real archives, mounts and a real registry on loopback.

mod archives;
mod escaping;
mod loading;
mod mounts;
mod overlay;
mod pulling;
mod references;
mod registry;
mod removing;
mod sharing;
mod unpacking;
