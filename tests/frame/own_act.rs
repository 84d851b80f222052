//! expects: E0277
//! An act that is not in the closed list.

use crate::{domain::event::Kind, gate::{act::{Act, Record}, object::Account}};

enum Mine {}

#[cfg(weighbridge_case = "wrong")]
impl Act for Mine {
    const WORD: &'static str = "file.pull";
    const RECORD: Record = Record::WithChange;
    const EVENT: Kind = Kind::FileGranted;
    type Asked = Account;
    type Found = Account;
}

fn words<A: Act>() -> (&'static str, Record, Kind, usize) {
    (A::WORD, A::RECORD, A::EVENT, size_of::<(Option<Mine>, Account)>())
}
