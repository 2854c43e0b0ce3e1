//! A restore's work, in its subtransaction: tables and columns that are gone, rows, and what sat on the tables.

use super::chunk::Change;
use super::conversion::Places;
use super::drill::in_a_line;
use super::engine::Engine;
use super::finish;
use super::image::Fate;
use super::locks::lock;
use super::rebuild::Rebuild;
use super::reopen::heaps;
use super::since::{self, Wanted};
use super::source::{Order, Source};
use super::{Done, OnConflict, Request, Way, What};
use crate::ledger::{self, Root};
use crate::pg::privileged::Privileged;
use crate::report::{Outcome, Report, sqlstate};
use crate::running;
use crate::sequence::put_back;
use crate::shared::progress;
use pgrx::pg_sys;
use std::ffi::CStr;

/// Rows between two reports of progress.
const PROGRESS_EVERY: i64 = 512;

/// The statements to undo, the last one first, and the relations of theirs that are wanted.
fn statements(request: &Request) -> Outcome<(Vec<i64>, Wanted)> {
    match request.what {
        What::Statement(id) => Ok((vec![id], Wanted::recorded(request.relations.clone()))),
        What::Since(at) => {
            let wanted = Wanted::named(request.relations.as_deref())?;
            Ok((since::statements(at)?, wanted))
        }
    }
}

fn check_relations(request: &Request, source: &Source) -> Outcome<()> {
    let What::Statement(id) = request.what else {
        return Ok(());
    };
    for name in request.relations.iter().flatten() {
        if !source.relations.contains(name) {
            return Err(Report::new(
                sqlstate::INVALID_PARAMETER,
                format!("statement {id} destroyed nothing in relation \"{name}\""),
            )
            .hint(
                "backstop.statement shows each statement's relations as the record names them.",
            ));
        }
    }
    Ok(())
}

/// # Safety
/// Inside the subtransaction.
pub(super) unsafe fn work(request: Request, way: Way) -> Outcome<Done> {
    // What undoing later statements has written looks like this statement's own work.
    let order = match request.what {
        What::Statement(_) => way.order,
        What::Since(_) => Order::Backward,
    };
    let (statements, wanted) = statements(&request)?;
    // SAFETY: the estate lives until the end of this function; after an error its memory goes with its parent's.
    unsafe {
        // Tables and columns first, whichever statement took them: no table can be altered while rows are put into it. Only
        // columns that were converted wait: what was recorded of them later is of the later type.
        let since = matches!(request.what, What::Since(_));
        let mut rebuilds = statements
            .iter()
            .map(|id| Rebuild::find(*id, &wanted, since))
            .collect::<Outcome<Vec<_>>>()?;
        let steps = rebuilds.iter().flat_map(|rebuild| &rebuild.steps);
        let converts = steps.filter(|step| step.kind == "column type");
        let converts: Vec<String> = converts.map(|step| step.object.clone()).collect();
        lock(&converts);
        for rebuild in &mut rebuilds {
            rebuild.converts.clone_from(&converts);
            rebuild.rolled_back = request.dry_run || request.collect || request.drill;
            rebuild.before_rows()?;
        }
        for rebuild in rebuilds.iter().filter(|_| !request.collect) {
            for stage in rebuild.converting() {
                for conversion in rebuild.conversions(stage)?.0 {
                    // Before the weaker locks that rows take.
                    heaps(conversion.relid);
                }
            }
        }
        // What owners' functions set is forgotten with it.
        let settings = pg_sys::NewGUCNestLevel();
        let estate = pg_sys::CreateExecutorState();
        pg_sys::MakePerTupleExprContext(estate);
        let root = new_root(request.what);
        let incomplete = request.collect || request.on_conflict == OnConflict::Abort;
        let (collect, drill) = (request.collect, request.drill);
        let mut engine = Engine::new(request, order, estate, root)?;
        engine.unplaced = way.unplaced;
        // What reading one statement's record leaves behind goes with the statement.
        let context = pg_sys::AllocSetContextCreateInternal(
            (*estate).es_query_cxt,
            c"pg_backstop restored statement".as_ptr(),
            0,
            8 * 1024,
            8 * 1024 * 1024,
        );
        let before = pg_sys::MemoryContextSwitchTo(context);
        let all = statements.len();
        let mut unconverted = None;
        for (n, (id, rebuild)) in statements.into_iter().zip(&mut rebuilds).enumerate() {
            let mut source = Source::find(id, order)?;
            engine.order = source.order;
            check_relations(&engine.request, &source)?;
            let along = rebuild.children(&source, &wanted)?;
            // It may have had another name, and been made again, since.
            let names = &engine.names;
            source.start(|chunk| {
                let of_columns = Change::of(&chunk.operation) == Some(Change::Column);
                wanted.has(chunk)
                    || wanted.has_relid(names.table(chunk).today())
                    || of_columns && along.contains(&chunk.relation)
            });
            let phase = match all {
                1 => "putting rows back".to_owned(),
                _ => format!("putting rows back, statement {} of {all}", n + 1),
            };
            let rows = source.chunks.iter().map(|chunk| chunk.rows).sum();
            progress::restore_phase(&phase, id, Some(rows));
            engine.note_columns(rebuild);
            unconverted = undo(&mut engine, rebuild, &mut source, &along)?.or(unconverted);
            if engine.tangled {
                return Ok(Done {
                    tangled: true,
                    ..Done::default()
                });
            }
            engine.count_definitions(rebuild);
            engine.note_made(rebuild);
            drop(source);
            pg_sys::MemoryContextReset(context);
        }
        pg_sys::MemoryContextSwitchTo(before);
        let mut going = Vec::new();
        let mut note = finish::finish(&mut engine, &rebuilds, &mut going)?.or(unconverted);
        let complete = !(collect || incomplete && engine.conflict_count() > 0);
        let conflicts = std::mem::take(&mut engine.conflicts);
        let mut done = Done {
            counts: std::mem::take(&mut engine.counts),
            conflicts: conflicts.into_iter().flatten().collect(),
            ..Done::default()
        };
        for target in &mut engine.targets {
            target.close();
        }
        let root = std::mem::replace(&mut engine.root, running::new_root());
        drop(engine);
        pg_sys::ExecResetTupleTable((*estate).es_tupleTable, false);
        pg_sys::FreeExecutorState(estate);
        pg_sys::AtEOXact_GUC(false, settings);
        for rebuild in rebuilds.iter_mut().filter(|_| complete) {
            match rebuild.after_rows() {
                Err(report) if drill => note = Some(in_a_line(&report)),
                other => other?,
            }
        }
        if !going.is_empty() {
            let _privileged = Privileged::for_ddl();
            put_back::set_all(&going);
            ledger::with(|ledger| ledger.keep_moves(root));
        }
        done.note = note;
        Ok(done)
    }
}

/// Undoes one statement; `along`: children of which only columns are. Returns why a drill could not convert its columns
/// back.
///
/// # Safety
/// Inside the subtransaction, when all later statements that are to be undone are.
unsafe fn undo(
    engine: &mut Engine,
    rebuild: &mut Rebuild,
    source: &mut Source,
    along: &[String],
) -> Outcome<Option<String>> {
    // SAFETY: the engine's estate is live; places are the chunks' own.
    unsafe {
        let mut places = source
            .chunks
            .iter()
            .map(|chunk| engine.place(chunk))
            .collect::<Outcome<Vec<_>>>()?;
        engine.note_later(source, &places, along)?;
        let (mut done, mut note) = (0, None::<String>);
        let stages = rebuild.converting().into_iter();
        let mut waiting: Vec<_> = stages
            .map(|stage| (stage, rebuild.rows_of(stage)))
            .collect();
        while let Some((n, row)) = source.next()? {
            crate::pg::memory::check();
            let of_columns = Change::of(&source.chunks[n].operation) == Some(Change::Column);
            let ordinal = source.ordinal(n, row);
            // Older images are undone in the types before a conversion, its own in those.
            let comes = |(_, (first, end)): &mut (usize, (i64, i64))| {
                *first > ordinal || of_columns && (*first..*end).contains(&ordinal)
            };
            while let Some((stage, _)) = waiting.pop_if(comes) {
                note = convert(engine, (rebuild, stage), source, &mut places)?.or(note);
            }
            if of_columns && note.is_some() {
                engine.add(places[n].2, Fate::Conflict, 1);
                continue;
            }
            engine.undo(&source.chunks[n], places[n], row)?;
            if engine.tangled {
                break;
            }
            done += 1;
            if done % PROGRESS_EVERY == 0 {
                progress::restored(&source.chunks[n].relation, done);
            }
            if source.is_done(n) {
                engine.record_standing(&source.chunks[n], places[n]);
                source.close(n);
            }
        }
        while let Some((stage, _)) = waiting.pop().filter(|_| !engine.tangled) {
            note = convert(engine, (rebuild, stage), source, &mut places)?.or(note);
        }
        Ok(note)
    }
}

/// Converts columns back; why a drill cannot do it: that rows have changed since is told.
///
/// # Safety
/// Between two images.
unsafe fn convert(
    engine: &mut Engine,
    conversion: (&mut Rebuild, usize),
    source: &Source,
    places: &mut Places,
) -> Outcome<Option<String>> {
    let drill = engine.request.drill;
    engine.changed_since = false;
    // SAFETY: the caller vouches for the moment.
    match unsafe { engine.convert(conversion, source, places) } {
        Err(report) if drill && engine.changed_since => Ok(Some(in_a_line(&report))),
        outcome => outcome.map(|()| None),
    }
}

/// The restore's own page: its statement is the one the client sent, and its rows count against nothing.
pub fn new_root(what: What) -> Root {
    let mut root = running::new_root();
    if root.query.is_none() {
        // SAFETY: NULL or the C string of the statement that is running.
        root.query = unsafe {
            let text = pg_sys::debug_query_string;
            (!text.is_null()).then(|| CStr::from_ptr(text).to_bytes().to_vec())
        };
    }
    root.key = usize::MAX - 1;
    match what {
        What::Statement(id) => root.reverts = Some(id),
        What::Since(at) => root.reverts_since = Some(at),
    }
    root
}
