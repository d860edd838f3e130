//! Development clusters in the real kernel. Needs root; does not touch the machine's own network.

#![cfg(test)]

mod faults;
mod home;
mod host_link;
mod traces;
