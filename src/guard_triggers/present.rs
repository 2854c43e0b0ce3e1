//! Which tables have our triggers.

use pgrx::Spi;
use pgrx::pg_sys::Oid;
use std::collections::HashSet;

/// Tables that carry our triggers as we made them: right function, events, condition, and always enabled. A trigger of
/// our name that is anything else does not count, so making ours fails with PostgreSQL's own error.
#[derive(Default)]
pub struct Present {
    pub capture: HashSet<Oid>,
    /// Those of `capture` whose trigger is the clone of their parent's: it comes and goes with that.
    pub clones: HashSet<Oid>,
    pub truncate: HashSet<Oid>,
}

impl Present {
    /// Read from the catalog, which locks no table: an administrator's protect() must not wait for, or deadlock with,
    /// writers of other tables.
    pub fn read() -> Present {
        let sql = "SELECT tgrelid, tgname::pg_catalog.text, \
                   tgtype OPERATOR(pg_catalog.=) 25 \
                   AND tgfoid OPERATOR(pg_catalog.=) 'backstop.capture()'::pg_catalog.regprocedure::pg_catalog.oid \
                   AND tgenabled OPERATOR(pg_catalog.=) 'A' AND tgattr::pg_catalog.text OPERATOR(pg_catalog.=) '' \
                   AND tgqual::pg_catalog.text OPERATOR(pg_catalog.~~) pg_catalog.concat('{FUNCEXPR :funcid ', \
                       'backstop.capture_row()'::pg_catalog.regprocedure::pg_catalog.oid, ' %'), \
                   tgtype OPERATOR(pg_catalog.=) 34 \
                   AND tgfoid OPERATOR(pg_catalog.=) 'backstop.guard_truncate()'::pg_catalog.regprocedure::pg_catalog.oid \
                   AND tgenabled OPERATOR(pg_catalog.=) 'A', \
                   tgparentid OPERATOR(pg_catalog.<>) 0 \
                   FROM pg_catalog.pg_trigger \
                   WHERE tgname OPERATOR(pg_catalog.=) ANY ('{backstop_capture,backstop_guard_truncate}')";
        let mut present = Present::default();
        Spi::connect(|client| {
            let rows = client
                .select(sql, None, &[])
                .unwrap_or_else(|error| pgrx::error!("{error}"));
            for row in rows {
                let relid = row.get::<Oid>(1).ok().flatten();
                let flag = |n: usize| row.get::<bool>(n).ok().flatten() == Some(true);
                let Some(relid) = relid else { continue };
                if flag(3) {
                    present.capture.insert(relid);
                    if flag(5) {
                        present.clones.insert(relid);
                    }
                }
                if flag(4) {
                    present.truncate.insert(relid);
                }
            }
        });
        present
    }
}

impl Present {
    /// Whether the table has a row trigger of its own.
    pub fn owns_capture(&self, relid: Oid) -> bool {
        self.capture.contains(&relid) && !self.clones.contains(&relid)
    }

    /// Whether the table has any trigger of ours.
    pub fn has_any(&self, relid: Oid) -> bool {
        self.capture.contains(&relid) || self.truncate.contains(&relid)
    }
}
