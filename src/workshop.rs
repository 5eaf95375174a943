//! The workshop: a page at `/` on which a template's author sees what it does before anybody's phone does.
//!
//! Guarantees: it changes nothing on the server but what an operator may anyway (sending a dead delivery again).

pub mod page;
