//! Whether every restored row finds the rows it references.

use super::side::Side;
use super::values::{Asked, Values};
use super::{ask, counts, violated};
use crate::pg::catalog::{self, OpenRelation};
use crate::pg::slot::Slot;
use crate::pg::values::RowText;
use crate::pg::{memory, newest};
use crate::record::restore::find::fetch_by;
use crate::record::restore::keys::ForeignKey;
use crate::record::restore::leaf::Leaf;
use crate::record::restore::reopen::scan;
use crate::report::{self, Outcome, Report};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::{self, Datum};

/// Rows that reference others, on their way to the queries.
struct Referencing<'a> {
    key: &'a ForeignKey,
    parents: Vec<Side>,
    relation: pg_sys::Relation,
    values: Values,
    /// What the restore has written itself nobody else can take away; other rows are locked, as the key's own trigger does
    /// it. `None`: the table they are in is locked.
    own: Option<pg_sys::TransactionId>,
    /// Rows that a key which is NOT VALID lets stand without what they reference.
    let_stand: i64,
}

/// Whether the leaf's restored rows find what they reference.
pub(super) fn check_outgoing(
    leaf: &Leaf,
    key: &ForeignKey,
    xid: pg_sys::TransactionId,
) -> Outcome<()> {
    key.unsupported()?;
    let set_back = leaf.format.columns.iter().any(|column| {
        leaf.touched[column.fact.attnum as usize - 1]
            && key.columns.contains(&catalog::quoted(&column.fact.name))
    });
    let updated: &[_] = if set_back { &leaf.updated } else { &[] };
    let mut referencing = Referencing::new(key, &leaf.relation, Some(xid));
    // SAFETY: the leaf is open, and its slot of no use to anybody at the moment. An error's abort forgets the snapshot.
    unsafe {
        let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
        for tid in leaf.inserted.iter().chain(updated) {
            memory::check();
            if fetch_by(leaf.relation.0, *tid, snapshot, leaf.present) {
                referencing.row(leaf.present)?;
            }
        }
        pg_sys::UnregisterSnapshot(snapshot);
    }
    referencing.end()
}

/// Whether all rows of a table find what they reference, so that the key may be called valid. Nobody else may write either
/// table meanwhile.
pub(super) fn check_all(key: &ForeignKey, relation: &OpenRelation) -> Outcome<()> {
    key.unsupported()?;
    let key = &ForeignKey {
        validated: true,
        ..key.clone()
    };
    let mut referencing = Referencing::new(key, relation, None);
    let mut outcome = Ok(());
    // SAFETY: the caller vouches for the lock; the scan's slot holds the row.
    unsafe {
        scan(relation, |slot, _| {
            slot.fetch_all();
            outcome = referencing.row(slot);
            outcome.is_ok()
        });
    }
    outcome?;
    referencing.end()
}

impl Referencing<'_> {
    fn new<'a>(
        key: &'a ForeignKey,
        relation: &OpenRelation,
        own: Option<pg_sys::TransactionId>,
    ) -> Referencing<'a> {
        Referencing {
            key,
            parents: Side::of(key.parent, &key.parent_name),
            relation: relation.0,
            values: new_values(key, relation.0),
            own,
            let_stand: 0,
        }
    }

    /// # Safety
    /// The slot must hold a row of the child, fetched.
    unsafe fn row(&mut self, slot: Slot) -> Outcome<()> {
        let places = self.key.places.iter();
        // SAFETY: the caller vouches for the row.
        let row: Vec<Option<Datum>> = places.map(|place| unsafe { slot.get(*place) }).collect();
        let Some(whole) = row.iter().copied().collect::<Option<Vec<Datum>>>() else {
            if self.key.match_full && row.iter().any(Option::is_some) {
                if !self.key.validated {
                    self.let_stand += 1;
                    return Ok(());
                }
                return Err(violated(
                    self.key,
                    &self.key.columns,
                    "",
                    "mixes null and nonnull values, against MATCH FULL, in",
                    &self.key.child_name,
                ));
            }
            return Ok(());
        };
        // SAFETY: the key's columns have these types.
        unsafe { self.values.push(&whole) };
        match self.values.are_many() {
            true => self.check(),
            false => Ok(()),
        }
    }

    fn end(mut self) -> Outcome<()> {
        self.check()?;
        // SAFETY: all is asked.
        unsafe { self.values.free() };
        if self.let_stand > 0 {
            let_stand(self.key, self.let_stand);
        }
        Ok(())
    }

    /// Checks the values so far.
    fn check(&mut self) -> Outcome<()> {
        let next = new_values(self.key, self.relation);
        let mut values = std::mem::replace(&mut self.values, next);
        for asked in values.asked() {
            memory::check();
            self.check_one(&asked)?;
        }
        // SAFETY: all of it is asked.
        unsafe { values.free() };
        Ok(())
    }

    fn check_one(&mut self, asked: &Asked) -> Outcome<()> {
        let (source, join) = (&asked.source, self.key.finds());
        // The first transaction's own number is nobody's.
        let own = self.own.map_or(0, pg_sys::TransactionId::into_inner);
        let (mut found, mut others) = (0, 0);
        for parent in &self.parents {
            let sql = format!(
                "SELECT pg_catalog.count(p.xmin),
                     pg_catalog.count(*) FILTER (WHERE p.xmin OPERATOR(pg_catalog.<>) '{own}'::pg_catalog.xid)
                 FROM {source} JOIN {name} AS p ON {join}",
                name = parent.name
            );
            // Where rows are locked afterwards, that meets what the transaction's snapshot does not show.
            let newest = self.own.is_none();
            let [here, of_others] = parent.ask(|| counts(&sql, &asked.arguments(), newest));
            found += here;
            others += of_others;
        }
        let missing = asked.rows as i64 - found;
        if missing > 0 && self.key.validated {
            return Err(self.lost(asked));
        }
        self.let_stand += missing.max(0);
        if self.own.is_none() || others == 0 {
            return Ok(());
        }
        let mut locked = 0;
        for parent in &self.parents {
            let sql = format!(
                "SELECT NULL::text FROM {source} JOIN {name} AS p ON {join}
                 WHERE p.xmin OPERATOR(pg_catalog.<>) '{own}'::pg_catalog.xid FOR KEY SHARE OF p",
                name = parent.name
            );
            locked += parent.ask(|| ask(&sql, &asked.arguments()));
        }
        let vanished = others - locked as i64;
        if vanished > 0 && self.key.validated {
            return Err(self.lost(asked));
        }
        self.let_stand += vanished.max(0);
        Ok(())
    }

    /// A value that no parent has.
    fn lost(&self, asked: &Asked) -> Box<Report> {
        let mut left: Vec<i64> = (1..=asked.rows as i64).collect();
        let mut value = String::new();
        for parent in &self.parents {
            left = not_in(parent, asked, &self.key.finds(), left);
            if let Some(first) = left.first() {
                value = parent.ask(|| shown(asked, *first));
            }
        }
        violated(
            self.key,
            &self.key.columns,
            &value,
            "is not present in",
            &self.key.parent_name,
        )
    }
}

/// Nobody knows whether what they referenced was gone when they were recorded.
fn let_stand(key: &ForeignKey, rows: i64) {
    let name = catalog::display_name(key.child);
    let report = Report::new(
        "01000",
        format!(
            "restored rows of \"{name}\" reference rows that are not in \"{}\"",
            key.parent_name.trim_start_matches("ONLY ")
        ),
    )
    .detail(format!(
        "Foreign key \"{}\" is NOT VALID and lets such rows stand: {rows} of them.",
        key.name
    ));
    // SAFETY: inside the guarded frame of a C function.
    unsafe { report::warning(&report) };
}

fn new_values(key: &ForeignKey, relation: pg_sys::Relation) -> Values {
    // SAFETY: the relation is open, the places are those of its columns. The abort of what comes of an error takes the
    // memory, too.
    unsafe {
        let desc = (*relation).rd_att;
        let types = key.places.iter();
        let types = types.map(|place| crate::pg::compat::attribute(desc, *place).atttypid);
        Values::new(types.collect(), pg_sys::CurTransactionContext)
    }
}

/// Which of the rows numbered `left` no row of the parent has, by `condition`.
pub(super) fn not_in(parent: &Side, asked: &Asked, condition: &str, left: Vec<i64>) -> Vec<i64> {
    let sql = format!(
        "SELECT k.n FROM {source} WHERE k.n OPERATOR(pg_catalog.=) ANY (${argument})
         AND NOT EXISTS (SELECT FROM {name} AS p WHERE {condition}) ORDER BY k.n USING OPERATOR(pg_catalog.<)",
        source = asked.source,
        argument = asked.next_argument(),
        name = parent.name,
    );
    let mut arguments = asked.arguments();
    // SAFETY: a bigint[] argument.
    arguments.push(unsafe { DatumWithOid::new(left, pg_sys::INT8ARRAYOID) });
    parent.ask(|| newest::select(&sql, &arguments, |row| row.get(1)))
}

/// The values of row `n`.
pub(super) fn shown(asked: &Asked, n: i64) -> String {
    let sql = format!(
        "SELECT {} FROM {} WHERE k.n OPERATOR(pg_catalog.=) {n}::bigint",
        asked.shown(),
        asked.source
    );
    let rows = newest::select(&sql, &asked.arguments(), |row| row.text(1));
    rows.into_iter().next().unwrap_or_default()
}
