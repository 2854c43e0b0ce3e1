//! An arbitrary condition: what the judge accepts names its keys by equality only, and what it calls unqualified leaves
//! no row out. As the property test, with conditions that coverage leads to.
#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use pg_backstop_fuzz::judge::conditions::{Condition, misjudged};

/// How deep conditions are nested at most.
const DEPTH: u32 = 7;

#[derive(Debug)]
struct Any(Condition);

impl<'a> Arbitrary<'a> for Any {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Any> {
        condition(bytes, DEPTH).map(Any)
    }
}

fn condition(bytes: &mut Unstructured, depth: u32) -> Result<Condition> {
    let kinds = if depth == 0 { 6 } else { 9 };
    Ok(match bytes.int_in_range(0..=kinds - 1)? {
        0 => {
            let count = bytes.int_in_range(1..=3)?;
            Condition::Names((0..count).map(|_| key(bytes)).collect::<Result<_>>()?)
        }
        1 => Condition::Above(key(bytes)?),
        2 => Condition::Plan(bytes.int_in_range(0..=2)?),
        3 => Condition::Always(bytes.arbitrary()?),
        4 => Condition::SamePlan,
        5 => Condition::NoKey,
        6 => Condition::And(some(bytes, depth)?),
        7 => Condition::Or(some(bytes, depth)?),
        _ => Condition::Not(Box::new(condition(bytes, depth - 1)?)),
    })
}

fn key(bytes: &mut Unstructured) -> Result<i8> {
    bytes.int_in_range(-4..=3)
}

fn some(bytes: &mut Unstructured, depth: u32) -> Result<Vec<Condition>> {
    let count = bytes.int_in_range(0..=4)?;
    (0..count).map(|_| condition(bytes, depth - 1)).collect()
}

fuzz_target!(|any: Any| assert_eq!(misjudged(&any.0), "", "{any:?}"));
