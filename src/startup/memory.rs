//! The memory of the process holds the bot's token and what senders show.

use std::io;

/// Keeps other programs of the same user from reading the memory and the environment of this one, and the kernel from
/// writing them to a core dump. To be called before there is a secret in it. Only Linux has it.
pub fn hide_memory() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}
