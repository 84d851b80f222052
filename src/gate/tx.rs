//! A change: begun by a grant, ended by spending it.
//!
//! The ledger's own transaction is private to this file, which has no child modules. The event that a commit writes
//! takes its actor, object and decision from the grant, so a change can neither go unrecorded nor be put on somebody else.

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, prelude::async_trait::async_trait,
};
use serde_json::Value;

use super::{act::Act, grant::Granted, object::Found};
use crate::{
    clock,
    domain::{
        event::{ApprovalFact, Kind, ObjectFact},
        refusal::Fault,
    },
    ledger::RawTx,
};

/// A transaction that can only be committed with a grant and what was changed.
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Tx(RawTx);

impl<A: Act> Granted<A> {
    /// Begins the change that this grant allows. Nothing but SQL may be awaited until it is committed.
    pub async fn begin(&self) -> Result<Tx, Fault> {
        self.gate().ledger().begin().await.map(Tx)
    }
}

/// What a change was: the details of the act's own event, and the events that follow from it.
#[derive(Debug)]
pub struct Change {
    detail: Value,
    approval: Option<ApprovalFact>,
    also: Vec<(Kind, ObjectFact, Value)>,
}

impl Change {
    /// `detail` is a flat object: before, after, reason.
    pub fn new(detail: Value) -> Self {
        Self { detail, approval: None, also: Vec::new() }
    }

    pub fn approval(mut self, approval: ApprovalFact) -> Self {
        self.approval = Some(approval);
        self
    }

    /// Something else that changed with it, such as a pointer that moved.
    pub fn and(mut self, kind: Kind, object: ObjectFact, detail: Value) -> Self {
        self.also.push((kind, object, detail));
        self
    }
}

impl Tx {
    /// Ends the change: rows and events become durable together, and the grant is spent.
    pub async fn commit<A: Act>(self, may: Granted<A>, change: Change) -> Result<(), Fault> {
        let mut first = may.event(clock::new_id(), A::EVENT, may.object().fact());
        first.detail = Some(change.detail);
        first.approval = change.approval;
        let mut events = vec![first];
        for (kind, object, detail) in change.also {
            let mut event = may.event(clock::new_id(), kind, object);
            event.detail = Some(detail);
            events.push(event);
        }
        self.0.commit(events).await
    }
}

#[async_trait]
impl ConnectionTrait for Tx {
    fn get_database_backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.0.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        // The ledger's transaction refuses these; clippy holds everybody away from them besides.
        self.0.execute_raw(Statement::from_string(self.get_database_backend(), sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.0.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.0.query_all_raw(statement).await
    }
}
