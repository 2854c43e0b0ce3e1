//! An arbitrary statement, as no parser would make it: joins, nested subqueries, aliases, outer joins, several targets.
//! The judge always comes to an end, never panics, judges twice alike, and what it says of a bare range on the key does
//! not depend on what stands beside it in an OR.
#![no_main]

use std::rc::Rc;

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use pg_backstop_fuzz::judge::predicate::{Operand, Predicate, Reading};
use pg_backstop_fuzz::judge::samples::{ID, is_range, reads, statement, subs, users};
use pg_backstop_fuzz::judge::statement::{Action, Assignment, Body, Statement, Target, Verb};
use pg_backstop_fuzz::judge::verdict::judge;
use pg_backstop_fuzz::model::FedColumn;

#[derive(Debug)]
struct Any(Statement);

impl<'a> Arbitrary<'a> for Any {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Any> {
        any(bytes).map(Any)
    }
}

fn any(bytes: &mut Unstructured) -> Result<Statement> {
    let mut s = statement();
    // A body is nested in one before it; what it holds is filled in below.
    for body in 1..=bytes.int_in_range(0..=4usize)? {
        let parent = bytes.int_in_range(0..=body - 1)?;
        let depth = s.bodies[parent].depth + usize::from(bytes.arbitrary::<bool>()?);
        s.bodies.push(Body {
            parent: Some(parent),
            depth,
            predicate: Predicate::Free,
        });
        match bytes.int_in_range(0..=2)? {
            0 => users(&mut s, depth, body),
            1 => subs(&mut s, depth, body),
            _ => continue,
        };
    }
    for _ in 0..bytes.int_in_range(0..=2)? {
        if bytes.arbitrary()? {
            users(&mut s, 0, 0)
        } else {
            subs(&mut s, 0, 0)
        };
    }
    if let Some(target) = s.instances[0]
        .target
        .as_mut()
        .filter(|_| bytes.is_empty() || bytes.len() % 2 == 0)
    {
        let fed = [(2, "crm"), (3, "billing")].map(|(attnum, upstream)| FedColumn {
            attnum,
            name: upstream.into(),
            upstream: upstream.into(),
        });
        Rc::make_mut(target).fed_columns = fed.into();
    }
    for instance in 0..s.instances.len() {
        for attno in 0..=3 {
            s.column(instance, attno);
        }
    }
    // An output is made of columns before it.
    for id in 1..s.columns.len() {
        let columns = bytes.int_in_range(0..=7)?;
        if columns < 3 {
            let made = (0..columns)
                .map(|_| bytes.int_in_range(0..=id - 1))
                .collect::<Result<Vec<_>>>()?;
            if bytes.arbitrary()? {
                s.columns[id].sources = made;
            } else {
                (s.columns[id].reads, s.columns[id].kin) = (made.clone(), made);
            }
            s.columns[id].series = bytes.ratio(1, 8)?;
        }
    }
    for body in 1..s.bodies.len() {
        s.bodies[body].predicate = predicate(bytes, &s, body, 4)?;
    }
    for _ in 0..=bytes.int_in_range(0..=1)? {
        let instance = s
            .instances
            .iter()
            .rposition(|i| i.target.is_some() && i.depth == 0)
            .unwrap_or(0);
        let actions = (0..=bytes.int_in_range(0..=2)?)
            .map(|_| action(bytes, &s))
            .collect::<Result<_>>()?;
        let arbiter = bytes.arbitrary::<bool>()?.then(|| vec![ID]);
        let merge_upsert_on = match bytes.ratio(1, 4)? {
            true => Some(predicate(bytes, &s, 0, 3)?),
            false => None,
        };
        s.targets.push(Target {
            instance,
            actions,
            arbiter,
            merge_upsert_on,
        });
    }
    Ok(s)
}

fn action(bytes: &mut Unstructured, s: &Statement) -> Result<Action> {
    let verb = *bytes.choose(&[
        Verb::Update,
        Verb::Delete,
        Verb::MergeUpdate,
        Verb::MergeDelete,
        Verb::MergeNothing,
        Verb::Upsert,
        Verb::Cursor,
    ])?;
    let assigned = (0..bytes.int_in_range(0..=3)?)
        .map(|_| {
            Ok(Assignment {
                attno: bytes.int_in_range(1..=4)?,
                clears: bytes.arbitrary()?,
            })
        })
        .collect::<Result<_>>()?;
    Ok(Action {
        verb,
        predicate: predicate(bytes, s, 0, 5)?,
        assigned,
    })
}

/// Subqueries are those after `body`: none feeds itself.
fn predicate(
    bytes: &mut Unstructured,
    s: &Statement,
    body: usize,
    depth: u32,
) -> Result<Predicate> {
    let kinds = if depth == 0 { 7 } else { 11 };
    let inner = |bytes: &mut Unstructured| predicate(bytes, s, body, depth.saturating_sub(1));
    let some = |bytes: &mut Unstructured| -> Result<Vec<Predicate>> {
        (0..bytes.int_in_range(0..=3)?)
            .map(|_| inner(bytes))
            .collect()
    };
    Ok(match bytes.int_in_range(0..=kinds)? {
        0 => Predicate::Const(bytes.arbitrary()?),
        1 => Predicate::Free,
        2 => Predicate::Equal {
            left: operand(bytes, s, body)?,
            right: operand(bytes, s, body)?,
            expr: 0,
        },
        3 => Predicate::Null {
            operand: operand(bytes, s, body)?,
            never: bytes.arbitrary()?,
            stored: bytes.arbitrary()?,
            expr: 0,
        },
        4 => {
            let why = [
                Reading::Compared,
                Reading::Ordered,
                Reading::Excepted,
                Reading::Unreadable,
            ];
            Predicate::Other {
                reads: columns(bytes, s)?,
                bodies: bodies(bytes, s, body)?,
                why: *bytes.choose(&why)?,
                expr: bytes.arbitrary::<bool>()?.then_some(0),
            }
        }
        5 => bodies(bytes, s, body)?
            .first()
            .map_or(Predicate::Current, |body| Predicate::Feeds(*body)),
        6 => Predicate::Union(bodies(bytes, s, body)?),
        7 => bodies(bytes, s, body)?
            .first()
            .map_or(Predicate::Free, |body| Predicate::Limit(*body)),
        8 => Predicate::And(some(bytes)?),
        9 => Predicate::Or(some(bytes)?),
        10 => Predicate::OuterOn {
            on: Box::new(inner(bytes)?),
            nullable: (0..bytes.int_in_range(0..=2)?)
                .map(|_| bytes.choose_index(s.instances.len()))
                .collect::<Result<_>>()?,
        },
        _ => inner(bytes)?.negated(),
    })
}

fn columns(bytes: &mut Unstructured, s: &Statement) -> Result<Vec<usize>> {
    (0..bytes.int_in_range(0..=2)?)
        .map(|_| bytes.choose_index(s.columns.len()))
        .collect()
}

fn bodies(bytes: &mut Unstructured, s: &Statement, body: usize) -> Result<Vec<usize>> {
    if body + 1 >= s.bodies.len() {
        return Ok(Vec::new());
    }
    (0..bytes.int_in_range(0..=2)?)
        .map(|_| bytes.int_in_range(body + 1..=s.bodies.len() - 1))
        .collect()
}

fn operand(bytes: &mut Unstructured, s: &Statement, body: usize) -> Result<Operand> {
    Ok(Operand {
        bare: columns(bytes, s)?,
        fields: columns(bytes, s)?,
        reads: columns(bytes, s)?,
        kin: columns(bytes, s)?,
        series: bytes.ratio(1, 8)?,
        fixed: bytes.arbitrary()?,
        volatile: bytes.arbitrary()?,
        bodies: bodies(bytes, s, body)?,
    })
}

fuzz_target!(|any: Any| {
    let Any(mut s) = any;
    let findings = judge(&s);
    assert_eq!(findings, judge(&s), "the same facts, another verdict");
    // Nothing beside it makes an open range on the target's key one that passes.
    let id = s.column(s.targets[0].instance, ID);
    let first = &mut s.targets[0].actions[0];
    let beside = std::mem::replace(&mut first.predicate, Predicate::Free);
    first.predicate = Predicate::Or(vec![beside, reads(id)]);
    assert!(is_range(&judge(&s)), "a range passes: {s:?}");
});
