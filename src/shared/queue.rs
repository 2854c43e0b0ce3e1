//! Refusals that wait to be written, of all databases.
//!
//! Each entry has a place of its own until a writer has committed it, so a database whose writer cannot get on does not
//! hold up the others. A refusal that finds no place is counted, never waited for.

use super::{Area, Guarding, Text, locked};
use pgrx::pg_sys::{self, Oid};
use std::ptr;

/// How many refusals can wait; 4 MB of shared memory.
pub const PLACES: usize = 1024;

/// How many databases are told apart in counting what was lost.
const DATABASES: usize = 64;

/// What is known of a refusal where it is raised. Roles are names only to the writer: there may be no transaction here.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Entry {
    pub at: pg_sys::TimestampTz,
    /// Negative: not a number of rows.
    pub rows_seen: i64,
    pub database: Oid,
    pub session_role: Oid,
    pub role: Oid,
    pub pid: i32,
    pub sqlstate: Text<5>,
    pub rule: Text<32>,
    /// An inet datum.
    pub client_addr: Text<32>,
    pub application_name: Text<64>,
    pub relation: Text<256>,
    pub message: Text<512>,
    pub query: Text<3072>,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Lost {
    database: Oid,
    /// Since the server started.
    total: u64,
    /// What the table does not say yet.
    untold: u64,
}

#[repr(C)]
pub(super) struct Queue {
    /// Wakes the launcher; NULL until it runs.
    launcher: *mut pg_sys::Latch,
    /// The number of refusals so far.
    drawn: u64,
    /// The entry's number, 0 where there is none.
    numbers: [u64; PLACES],
    databases: [Oid; PLACES],
    lost: [Lost; DATABASES],
    entries: [Entry; PLACES],
}

/// An entry's place, and the number that tells it from a later one there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    place: usize,
    number: u64,
}

fn with<R>(work: impl FnOnce(&mut Queue) -> R) -> Option<R> {
    locked(Guarding::Queue, true, |area: *mut Area| {
        // SAFETY: the lock is held, so this is the only reference.
        work(unsafe { &mut (*area).queue })
    })
}

/// Puts an entry into the queue, or counts it as lost.
pub fn push(entry: &Entry) {
    let launcher = with(|queue| {
        match queue.numbers.iter().position(|number| *number == 0) {
            Some(place) => {
                queue.drawn += 1;
                queue.numbers[place] = queue.drawn;
                queue.databases[place] = entry.database;
                queue.entries[place] = *entry;
            }
            None => {
                if let Some(lost) = lost_of(queue, entry.database) {
                    lost.total += 1;
                    lost.untold += 1;
                }
            }
        }
        queue.launcher
    });
    wake(launcher.unwrap_or(ptr::null_mut()));
}

fn wake(launcher: *mut pg_sys::Latch) {
    if !launcher.is_null() {
        // SAFETY: latches of processes lie in shared memory for ever; to set the wrong one (the launcher has just ended)
        // makes its new owner look around once.
        unsafe { pg_sys::SetLatch(launcher) };
    }
}

/// The launcher waits at `latch` from now on.
pub fn attend(latch: *mut pg_sys::Latch) {
    with(|queue| queue.launcher = latch);
}

/// Whether the launcher has been here since the server started.
pub fn is_attended() -> bool {
    with(|queue| !queue.launcher.is_null()).unwrap_or(false)
}

/// A database's count of lost entries; when there are too many databases the last one stands for the rest.
fn lost_of(queue: &mut Queue, database: Oid) -> Option<&mut Lost> {
    let known = |lost: &Lost| lost.database == database || lost.database == pg_sys::InvalidOid;
    let place = queue.lost.iter().position(known).unwrap_or(DATABASES - 1);
    let lost = &mut queue.lost[place];
    if lost.database == pg_sys::InvalidOid {
        lost.database = database;
    }
    Some(lost)
}

/// The databases with something to write, and the number of the newest entry of each.
pub fn databases() -> Vec<(Oid, u64)> {
    let mut found: Vec<(Oid, u64)> = Vec::with_capacity(PLACES);
    with(|queue| {
        for place in 0..PLACES {
            let number = queue.numbers[place];
            if number == 0 {
                continue;
            }
            let database = queue.databases[place];
            match found.iter_mut().find(|(known, _)| *known == database) {
                Some((_, newest)) => *newest = number.max(*newest),
                None => found.push((database, number)),
            }
        }
    });
    found
}

/// The number of the oldest entry of a database.
pub fn oldest(database: Oid) -> Option<u64> {
    with(|queue| numbered(queue, database).min())?
}

fn numbered(queue: &Queue, database: Oid) -> impl Iterator<Item = u64> {
    let places = queue.numbers.iter().zip(&queue.databases);
    places
        .filter(move |(number, of)| **number != 0 && **of == database)
        .map(|(number, _)| *number)
}

/// How many entries of a database wait, and how many were lost since the server started.
pub fn count(database: Oid) -> Option<(usize, u64)> {
    with(|queue| {
        let lost = queue.lost.iter().find(|lost| lost.database == database);
        let lost = lost.map_or(0, |lost| lost.total);
        (numbered(queue, database).count(), lost)
    })
}

/// Copies a database's oldest entries, at most `limit` of them, in the order in which they came; and how many were lost
/// that nobody has been told of.
pub fn copy(database: Oid, limit: usize) -> (Vec<(Ticket, Entry)>, u64) {
    let mut tickets: Vec<Ticket> = Vec::with_capacity(PLACES);
    let mut entries: Vec<(Ticket, Entry)> = Vec::with_capacity(limit);
    let untold = with(|queue| {
        for place in 0..PLACES {
            let number = queue.numbers[place];
            if number != 0 && queue.databases[place] == database {
                tickets.push(Ticket { place, number });
            }
        }
        tickets.sort_unstable_by_key(|ticket| ticket.number);
        for ticket in tickets.iter().take(limit) {
            entries.push((*ticket, queue.entries[ticket.place]));
        }
        let lost = queue.lost.iter().find(|lost| lost.database == database);
        lost.map_or(0, |lost| lost.untold)
    });
    (entries, untold.unwrap_or(0))
}

/// These entries are written, and so is that `told` others were lost.
pub fn remove(database: Oid, tickets: &[Ticket], told: u64) {
    with(|queue| {
        for ticket in tickets {
            if queue.numbers[ticket.place] == ticket.number {
                queue.numbers[ticket.place] = 0;
            }
        }
        if told > 0
            && let Some(lost) = queue.lost.iter_mut().find(|lost| lost.database == database)
        {
            lost.untold = lost.untold.saturating_sub(told);
        }
    });
}

/// Throws a database's entries away: it is gone, or has no table for them.
pub fn discard(database: Oid) {
    with(|queue| {
        for place in 0..PLACES {
            if queue.databases[place] == database {
                queue.numbers[place] = 0;
            }
        }
        if let Some(lost) = queue.lost.iter_mut().find(|lost| lost.database == database) {
            lost.untold = 0;
        }
    });
}
