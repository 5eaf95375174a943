//! Where notifications go: matchers, the tree of rules, the routes file.

mod file;
mod matchers;
mod mentions;
mod tree;
