//! The tables to restore: found by what the record says of them, opened, and their rows led to the right partition.

use super::leaf::Leaf;
use super::shape::Shape;
use super::source::Chunk;
use crate::pg::catalog::{self, ColumnFact, OpenRelation};
use crate::pg::raw;
use crate::pg::slot::Slot;
use crate::report::{Outcome, Report, sqlstate};
use pgrx::pg_sys::{self, Oid};
use std::rc::Rc;

/// A table of the record, opened for restoring.
pub struct Target {
    /// Its name in the record.
    pub recorded: String,
    /// Its name now.
    pub name: Rc<str>,
    pub relid: Oid,
    pub relation: OpenRelation,
    pub columns: Vec<ColumnFact>,
    /// The key that the record names rows by.
    pub recorded_key: Vec<String>,
    /// A row in the table's own shape.
    pub slot: Slot,
    pub shapes: Vec<Shape>,
    pub leaves: Vec<Leaf>,
    routing: Option<Routing>,
    /// Defaults of columns added since, by place.
    defaults: Vec<(usize, *mut pg_sys::ExprState)>,
}

/// Tuple routing of a partitioned table.
struct Routing {
    root: *mut pg_sys::ResultRelInfo,
    state: *mut pg_sys::ModifyTableState,
    routing: *mut pg_sys::PartitionTupleRouting,
}

impl Target {
    /// Opens the table a chunk's rows belong to.
    ///
    /// # Safety
    /// `estate` must be live and outlive the target.
    pub unsafe fn open(chunk: &Chunk, estate: *mut pg_sys::EState) -> Outcome<Target> {
        let relid = find(chunk)?;
        let Some(relation) = OpenRelation::open(relid, pg_sys::RowExclusiveLock) else {
            return Err(gone(&chunk.relation));
        };
        let name: Rc<str> = Rc::from(catalog::display_name(relid));
        let columns = relation.columns();
        // SAFETY: the relation stays open as long as the target; nodes are made in the estate's memory.
        unsafe {
            let context = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
            let slot = Slot::virtual_of((*relation.0).rd_att);
            let mut target = Target {
                recorded: chunk.relation.clone(),
                recorded_key: chunk.columns[..chunk.key_count].to_vec(),
                name: name.clone(),
                relid,
                columns,
                slot,
                shapes: Vec::new(),
                leaves: Vec::new(),
                routing: None,
                defaults: Vec::new(),
                relation,
            };
            match target.relation.kind() {
                'r' => {
                    let leaf = Leaf::open(&target, relid, estate)?;
                    target.leaves.push(leaf);
                }
                'p' => target.routing = Some(Routing::new(&target.relation, estate)),
                _ => {
                    return Err(Report::new(
                        sqlstate::WRONG_OBJECT_TYPE,
                        format!("cannot restore rows of relation \"{name}\""),
                    )
                    .detail("It is no longer an ordinary or partitioned table."));
                }
            }
            pg_sys::MemoryContextSwitchTo(context);
            Ok(target)
        }
    }

    pub fn partitioned(&self) -> bool {
        self.routing.is_some()
    }

    /// The number of the shape of `chunk`'s rows.
    ///
    /// # Safety
    /// `estate` must be the one the target was opened with.
    pub unsafe fn shape(&mut self, chunk: &Chunk, estate: *mut pg_sys::EState) -> usize {
        let known = self
            .shapes
            .iter()
            .position(|shape| shape.columns == chunk.columns && shape.key_count == chunk.key_count);
        known.unwrap_or_else(|| {
            // SAFETY: the estate's memory outlives the target.
            let shape = unsafe {
                Shape::new(
                    &chunk.columns,
                    chunk.key_count,
                    &self.columns,
                    (*estate).es_query_cxt,
                )
            };
            self.shapes.push(shape);
            self.shapes.len() - 1
        })
    }

    /// The leaf that the row in `slot` belongs to, with the row put into the leaf's own slot.
    ///
    /// # Safety
    /// `slot` must hold a whole row.
    pub unsafe fn route(&mut self, estate: *mut pg_sys::EState) -> Outcome<usize> {
        let Some(routing) = &self.routing else {
            return Ok(0);
        };
        // SAFETY: routing was set up for this table; ExecFindPartition raises when no partition takes the row.
        let relid = unsafe {
            let info = pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                raw::ExecFindPartition(
                    routing.state,
                    routing.root,
                    routing.routing,
                    self.slot.0,
                    estate,
                )
            });
            (*(*info).ri_RelationDesc).rd_id
        };
        // SAFETY: the partition is locked by routing.
        let leaf = unsafe { self.leaf(relid, estate)? };
        // SAFETY: the caller filled the slot.
        unsafe { self.leaves[leaf].take(self.slot) };
        Ok(leaf)
    }

    /// # Safety
    /// `relid` must be this table or one of its partitions, locked.
    unsafe fn leaf(&mut self, relid: Oid, estate: *mut pg_sys::EState) -> Outcome<usize> {
        if let Some(known) = self.leaves.iter().position(|leaf| leaf.relid == relid) {
            return Ok(known);
        }
        // SAFETY: the estate's memory outlives the leaf.
        unsafe {
            let context = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
            let leaf = Leaf::open(self, relid, estate)?;
            pg_sys::MemoryContextSwitchTo(context);
            self.leaves.push(leaf);
        }
        Ok(self.leaves.len() - 1)
    }

    /// All leaves, for a row that isn't where it should be.
    ///
    /// # Safety
    /// `estate` must be the one the target was opened with.
    pub unsafe fn all_leaves(&mut self, estate: *mut pg_sys::EState) -> Outcome<usize> {
        if self.routing.is_some() {
            // SAFETY: locks every partition; the list is the current memory context's.
            let members = unsafe {
                pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                    raw::find_all_inheritors(
                        self.relid,
                        pg_sys::RowExclusiveLock as i32,
                        std::ptr::null_mut(),
                    )
                })
            };
            // SAFETY: an OID list.
            for relid in unsafe { catalog::oid_list(members) } {
                // SAFETY: locked above.
                unsafe {
                    if pg_sys::get_rel_relkind(relid) as u8 == pg_sys::RELKIND_RELATION {
                        self.leaf(relid, estate)?;
                    }
                }
            }
        }
        Ok(self.leaves.len())
    }

    /// Puts the defaults of the columns at `missing` into the slot.
    ///
    /// # Safety
    /// The slot must have been started.
    pub unsafe fn add_defaults(&mut self, missing: &[usize], estate: *mut pg_sys::EState) {
        for place in missing {
            // SAFETY: the default's expression is the catalog's; its state is made once, in the estate's memory.
            unsafe {
                let known = self.defaults.iter().find(|(of, _)| of == place);
                let state = match known {
                    Some((_, state)) => *state,
                    None => {
                        let expression =
                            pg_sys::build_column_default(self.relation.0, *place as i32 + 1);
                        let state = if expression.is_null() {
                            std::ptr::null_mut()
                        } else {
                            pg_sys::ExecPrepareExpr(expression.cast(), estate)
                        };
                        self.defaults.push((*place, state));
                        state
                    }
                };
                if !state.is_null() {
                    let mut null = false;
                    let context = (*estate).es_per_tuple_exprcontext;
                    let value = match (*state).evalfunc {
                        Some(evaluate) => pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                            evaluate(state, context, &mut null)
                        }),
                        None => continue,
                    };
                    self.slot.set(*place, (!null).then_some(value));
                }
            }
        }
    }

    /// Closes the table's indexes and partitions.
    ///
    /// # Safety
    /// Once, without an error under way.
    pub unsafe fn close(&mut self) {
        // SAFETY: the caller vouches for the moment.
        unsafe {
            for leaf in &mut self.leaves {
                leaf.close();
            }
            if let Some(routing) = self.routing.take() {
                pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                    raw::ExecCleanupTupleRouting(routing.state, routing.routing)
                });
            }
            pg_sys::ExecDropSingleTupleTableSlot(self.slot.0);
        }
    }
}

impl Routing {
    /// # Safety
    /// In the estate's memory context.
    unsafe fn new(relation: &OpenRelation, estate: *mut pg_sys::EState) -> Routing {
        // SAFETY: set up the way the logical replication worker does it (worker.c, apply_handle_tuple_routing): a
        // ModifyTableState without a plan. A root without triggers makes none for its partitions.
        unsafe {
            let root =
                pg_sys::palloc0(size_of::<pg_sys::ResultRelInfo>()) as *mut pg_sys::ResultRelInfo;
            (*root).type_ = pg_sys::NodeTag::T_ResultRelInfo;
            pg_sys::InitResultRelInfo(root, relation.0, 0, std::ptr::null_mut(), 0);
            let state = pg_sys::palloc0(size_of::<pg_sys::ModifyTableState>())
                as *mut pg_sys::ModifyTableState;
            (*state).ps.type_ = pg_sys::NodeTag::T_ModifyTableState;
            (*state).ps.state = estate;
            (*state).operation = pg_sys::CmdType::CMD_INSERT;
            (*state).resultRelInfo = root;
            (*state).rootResultRelInfo = root;
            let routing = pg_sys::submodules::ffi::pg_guard_ffi_boundary(|| {
                raw::ExecSetupPartitionTupleRouting(estate, relation.0)
            });
            Routing {
                root,
                state,
                routing,
            }
        }
    }
}

/// The relation a chunk's rows belong to. The OID survives a rename, the name survives dump and restore; where they
/// lead to two tables, the columns must tell which one is meant.
fn find(chunk: &Chunk) -> Outcome<Oid> {
    let same = catalog::display_name(chunk.relid) == chunk.relation;
    if same && catalog::relation_name(chunk.relid).is_some() {
        return Ok(chunk.relid);
    }
    let named = catalog::named_relation(&chunk.relation);
    let by_oid = fits(chunk.relid, chunk);
    match named {
        None if by_oid => Ok(chunk.relid),
        None => Err(gone(&chunk.relation)),
        Some(named) if by_oid && fits(named, chunk) => Err(Report::new(
            sqlstate::NOT_IN_PREREQUISITE_STATE,
            format!(
                "it is not certain which table \"{}\" of the record is",
                chunk.relation
            ),
        )
        .detail(format!(
            "The table it was recorded from seems to be \"{}\" now, and another one has its name.",
            catalog::display_name(chunk.relid)
        ))
        .hint("Give the table back its recorded name for the time of the restore.")),
        Some(named) => Ok(named),
    }
}

/// Whether this is a table with the recorded key, or, of rows without one, with all recorded columns.
fn fits(relid: Oid, chunk: &Chunk) -> bool {
    OpenRelation::open(relid, pg_sys::AccessShareLock).is_some_and(|relation| {
        matches!(relation.kind(), 'r' | 'p') && {
            let columns = relation.columns();
            let needed = match chunk.key_count {
                0 => &chunk.columns[..],
                count => &chunk.columns[..count],
            };
            needed
                .iter()
                .all(|name| columns.iter().any(|column| column.name == *name))
        }
    })
}

fn gone(relation: &str) -> Box<Report> {
    Report::new(
        sqlstate::UNDEFINED_TABLE,
        format!("table \"{relation}\" of the record does not exist"),
    )
    .hint("Create it again with the columns the record has, or leave it out with the argument \"relations\".")
}
