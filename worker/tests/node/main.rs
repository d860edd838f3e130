//! A whole worker against a manager of the test's own: real images, networks and containers. Needs root.

mod image;
mod manager;
mod restart;
mod support;
mod tasks;
