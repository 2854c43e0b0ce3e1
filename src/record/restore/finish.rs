//! The end of a restore: what stands against it, what triggers would have checked, and its own record.

use super::engine::Engine;
use super::rebuild::Rebuild;
use super::{OnConflict, What, drill, since};
use crate::pg::encoding;
use crate::record;
use crate::report::{Outcome, Report, sqlstate};
use crate::sequence::put_back::Going;
use crate::shared::progress;

/// Refuses conflicts, checks what triggers would have checked, and writes the record, also of the sequences that are `going`
/// back. Returns what a drill notes.
///
/// # Safety
/// When all images are undone.
pub(super) unsafe fn finish(
    engine: &mut Engine,
    rebuilds: &[Rebuild],
    going: &mut Vec<Going>,
) -> Outcome<Option<String>> {
    let conflicts = engine.conflict_count();
    let abort = engine.request.on_conflict == OnConflict::Abort && conflicts > 0;
    if abort && !engine.request.dry_run {
        return Err(refuse(engine, conflicts));
    }
    if let Some(report) = engine.in_the_way.take().filter(|_| !abort) {
        return Err(report);
    }
    let mut note = None;
    // Where conflicts keep the restore from happening, rows are missing that others may reference.
    if !abort && !engine.request.collect {
        progress::restore_phase("checking constraints", 0, None);
        // SAFETY: the caller vouches for the moment.
        let checked = unsafe {
            engine.recheck_deferrable();
            engine.check_foreign_keys()
        };
        match checked {
            Err(report) if engine.request.drill => note = Some(drill::in_a_line(&report)),
            other => other?,
        }
    }
    if !engine.request.collect && !engine.request.drill {
        engine.tell_left_out();
    }
    if !abort && !engine.request.collect {
        for rebuild in rebuilds {
            rebuild.note_values(&mut engine.root, going)?;
        }
    }
    if !engine.request.dry_run {
        record::finish_root(&mut engine.root);
    }
    Ok(note)
}

fn refuse(engine: &Engine, conflicts: i64) -> Box<Report> {
    let rows = if conflicts == 1 {
        "row has"
    } else {
        "rows have"
    };
    let first = engine.conflicts.iter().flatten().next();
    let detail = first.map_or(String::new(), |conflict| {
        let key = conflict.key.as_deref().or(conflict.old_row.as_deref());
        let key = encoding::decode(key.unwrap_or_default());
        let how = if conflict.nowhere {
            "belongs into a partition that is gone"
        } else if conflict.current_row.is_some() {
            "is not as the statement left it"
        } else if conflict.back_before {
            "was put back by an earlier restore, and no key tells it from others"
        } else {
            "is gone"
        };
        format!("Row {key} of table \"{}\" {how}.", conflict.relation)
    });
    let (what, list) = match engine.request.what {
        What::Statement(id) => (
            format!("cannot restore statement {id}: {conflicts} {rows} changed since"),
            format!("SELECT * FROM backstop.restore_conflicts({id}) lists them; "),
        ),
        What::Since(at) => (
            format!(
                "cannot go back to {}: {conflicts} {rows} changed outside the record",
                since::shown(at)
            ),
            "A dry run counts them by table; ".to_owned(),
        ),
    };
    Report::new(sqlstate::NOT_IN_PREREQUISITE_STATE, what)
        .detail(detail)
        .hint(format!(
            "{list}on_conflict => 'skip' leaves them as they are, 'overwrite' puts them back too."
        ))
}
