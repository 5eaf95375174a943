//! The integration tests: one crate, so that it is linked once; one module for each part of the outside.
// `cfg(test)` tells clippy that helper functions are tests too, and may unwrap.

#[cfg(test)]
mod absent_store;
#[cfg(test)]
mod admission;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod app;
#[cfg(test)]
mod auth;
#[cfg(test)]
mod between;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod damaged_store;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod editing;
#[cfg(test)]
#[cfg(feature = "encryption")]
mod encrypted;
#[cfg(test)]
mod front_door;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod gallery;
#[cfg(test)]
mod hanging;
#[cfg(test)]
mod hangup;
#[cfg(test)]
mod hookshot;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod incident;
#[cfg(test)]
mod invited;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod layering;
mod limited;
#[cfg(test)]
mod live;
#[cfg(test)]
mod log;
#[cfg(test)]
mod mask;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod night;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod outbox;
#[cfg(test)]
mod packaging;
#[cfg(test)]
mod parked;
#[cfg(test)]
mod reach;
#[cfg(test)]
mod ready;
#[cfg(test)]
mod real;
#[cfg(test)]
mod render;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod route;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod stack;
#[cfg(test)]
mod support;
#[cfg(test)]
mod texts;
#[cfg(test)]
mod webhooks;
#[cfg(test)]
mod well_known;
#[cfg(test)]
mod workshop;
#[cfg(test)]
mod workshop_page;
