//! Which tables have our triggers.

use crate::pg::newest;
use pgrx::pg_sys::Oid;
use pgrx::spi;
use std::collections::HashSet;

/// Tables that carry our triggers as we made them: right function, events and condition. A trigger of our name that is
/// anything else does not count, so making ours fails with PostgreSQL's own error.
#[derive(Default)]
pub struct Present {
    pub capture: HashSet<Oid>,
    /// Those of `capture` whose trigger is the clone of their parent's: it comes and goes with that.
    pub clones: HashSet<Oid>,
    pub truncate: HashSet<Oid>,
    /// Those of `capture`, and those of `truncate`, whose trigger is not enabled always. DISABLE TRIGGER passes where the
    /// rules are off or only observed, and what pg_restore --disable-triggers enables again is not enabled for replicas.
    pub idle_capture: HashSet<Oid>,
    pub idle_truncate: HashSet<Oid>,
}

/// Of rows of pg_trigger: whether it is our row trigger, but for its name. (While DROP EXTENSION runs, the functions are gone
/// before the registry is.)
pub const IS_ROW_TRIGGER: &str = "tgtype OPERATOR(pg_catalog.=) 25 \
     AND tgfoid OPERATOR(pg_catalog.=) pg_catalog.to_regprocedure('backstop.capture()') \
     AND tgattr::pg_catalog.text OPERATOR(pg_catalog.=) '' \
     AND tgqual::pg_catalog.text OPERATOR(pg_catalog.~~) pg_catalog.concat('{FUNCEXPR :funcid ', \
         pg_catalog.to_regprocedure('backstop.capture_row()')::pg_catalog.oid, ' %')";

impl Present {
    /// Read from the catalog, which locks no table: an administrator's protect() must not wait for, or deadlock with,
    /// writers of other tables.
    pub fn read() -> Present {
        let sql = format!(
            "SELECT tgrelid, tgname::pg_catalog.text, {IS_ROW_TRIGGER}, \
             tgtype OPERATOR(pg_catalog.=) 34 \
             AND tgfoid OPERATOR(pg_catalog.=) pg_catalog.to_regprocedure('backstop.guard_truncate()'), \
             tgparentid OPERATOR(pg_catalog.<>) 0, \
             tgenabled OPERATOR(pg_catalog.<>) 'A' \
             FROM pg_catalog.pg_trigger \
             WHERE tgname OPERATOR(pg_catalog.=) ANY (ARRAY['backstop_capture', 'backstop_guard_truncate'])"
        );
        let rows = newest::select(&sql, &[], |row| {
            let flag = |n: usize| Ok::<_, spi::Error>(row.get::<bool>(n)? == Some(true));
            let relid = row.get::<Oid>(1)?;
            Ok(relid.zip(Some((flag(3)?, flag(4)?, flag(5)?, flag(6)?))))
        });
        let mut present = Present::default();
        for (relid, (capture, truncate, clone, idle)) in rows {
            if capture {
                present.capture.insert(relid);
                if clone {
                    present.clones.insert(relid);
                }
                if idle {
                    present.idle_capture.insert(relid);
                }
            }
            if truncate {
                present.truncate.insert(relid);
                if idle {
                    present.idle_truncate.insert(relid);
                }
            }
        }
        present
    }
}

impl Present {
    /// Whether the table has a row trigger of its own.
    pub fn owns_capture(&self, relid: Oid) -> bool {
        self.capture.contains(&relid) && !self.clones.contains(&relid)
    }

    /// Whether the table's row trigger is there and fires in every session.
    pub fn captures(&self, relid: Oid) -> bool {
        self.capture.contains(&relid) && !self.idle_capture.contains(&relid)
    }

    /// Whether the table's TRUNCATE trigger is there and fires in every session.
    pub fn guards_truncate(&self, relid: Oid) -> bool {
        self.truncate.contains(&relid) && !self.idle_truncate.contains(&relid)
    }

    /// The tables that have any trigger of ours.
    pub fn tables(&self) -> Vec<Oid> {
        self.capture.union(&self.truncate).copied().collect()
    }

    /// Whether the table has any trigger of ours.
    pub fn has_any(&self, relid: Oid) -> bool {
        self.capture.contains(&relid) || self.truncate.contains(&relid)
    }
}
