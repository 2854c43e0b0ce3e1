//! The account a server runs under: PostgreSQL refuses to run as root.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Another account's ids; `None` stays who we are.
#[derive(Debug, Clone, Copy)]
pub struct Account(Option<(u32, u32)>);

impl Account {
    /// Our own account, or when that is root, `postgres` or `nobody`.
    ///
    /// # Errors
    /// When we are root and neither exists.
    pub fn for_servers() -> Result<Account> {
        // SAFETY: geteuid has no preconditions and can't fail.
        if unsafe { libc::geteuid() } != 0 {
            return Ok(Account(None));
        }
        let passwd =
            std::fs::read_to_string("/etc/passwd").context("could not read /etc/passwd")?;
        for name in ["postgres", "nobody"] {
            if let Some(ids) = passwd.lines().find_map(|line| ids(line, name)) {
                return Ok(Account(Some(ids)));
            }
        }
        bail!("PostgreSQL refuses to run as root, and there is no account postgres or nobody")
    }

    /// Gives a file to the account.
    ///
    /// # Errors
    /// When that isn't allowed.
    pub fn own(self, path: &Path) -> Result<()> {
        let Some((uid, gid)) = self.0 else {
            return Ok(());
        };
        let name = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: `name` is a NUL-terminated string that outlives the call.
        if unsafe { libc::chown(name.as_ptr(), uid, gid) } != 0 {
            return Err(std::io::Error::last_os_error()).context("could not give a folder away");
        }
        Ok(())
    }

    /// Makes a command run under the account.
    pub fn run(self, command: &mut Command) -> &mut Command {
        match self.0 {
            Some((uid, gid)) => command.uid(uid).gid(gid),
            None => command,
        }
    }
}

/// The user and group id in a line of /etc/passwd, if it is about `name`.
fn ids(line: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = line.split(':');
    (fields.next() == Some(name)).then_some(())?;
    let uid = fields.nth(1)?.parse().ok()?;
    Some((uid, fields.next()?.parse().ok()?))
}
