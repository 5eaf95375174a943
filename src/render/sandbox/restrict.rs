//! What a process for templates may not do: gain rights, open a file, start a program, reach another process.
//!
//! Guarantees: on every system of ours it opens no file, no socket and no pipe any more, writes none, and, unless it is
//! root's, starts nothing. On Linux it gains no rights, and where the kernel has Landlock (5.13), nothing in the
//! file system can be changed, run or reached by its name, and no process outside can be sent a signal (6.12). A kernel that lacks
//! it, or a container that forbids it, takes that last part away and nothing else.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// To be called before there is another thread, which takes it over.
pub(super) fn this_thread() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        rustix::thread::set_no_new_privs(true)?;
        // Whatever the kernel does of it is done.
        let _ = landlocked();
    }
    Ok(())
}

/// Forbids by Landlock all that it can forbid, with no exception; for this thread and those that it starts.
#[cfg(target_os = "linux")]
fn landlocked() -> Result<landlock::RestrictionStatus, landlock::RulesetError> {
    use landlock::{ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, Scope};

    let all = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V9))?
        .handle_access(AccessNet::from_all(ABI::V10))?
        .scope(Scope::from_all(ABI::V6))?;
    all.create()?.restrict_self()
}

/// To be called when all threads are there and all files are open that are needed.
pub(super) fn whole_process() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // What is open stays so. A thread counts as a process.
    setrlimit(Resource::Nofile, none)?;
    setrlimit(Resource::Fsize, none)?;
    setrlimit(Resource::Nproc, none)?;
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn where_the_kernel_has_landlock_nothing_in_the_file_system_is_reached() {
        let folder = tempfile::tempdir().unwrap();
        let (file, new) = (folder.path().join("file"), folder.path().join("new"));
        std::fs::write(&file, "text").unwrap();
        // Only that thread is restricted.
        let (status, denied) = std::thread::scope(|scope| {
            let restricted = scope.spawn(|| {
                let status = landlocked().unwrap();
                let tries = [
                    std::fs::read(&file).map(drop),
                    std::fs::create_dir(&new),
                    std::fs::remove_file(&file),
                    std::process::Command::new("/bin/true").status().map(drop),
                ];
                (status, tries.map(|tried| tried.is_err()))
            });
            restricted.join().unwrap()
        });
        assert!(status.no_new_privs);
        let is_enforced = status.ruleset != landlock::RulesetStatus::NotEnforced;
        assert_eq!(denied, [is_enforced; 4], "{status:?}");
        assert_eq!(file.exists(), is_enforced);
    }
}
