//! What was decided, by whom and on what, as rows. Never a query.

pub mod standing {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "standing")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub revision_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub environment: String,
        pub repository_id: String,
        pub state: String,
        pub reason: String,
        pub approval_id: Option<String>,
        pub evidence_digest: Option<String>,
        pub expires_at: Option<i64>,
        pub changed_at: i64,
        /// `person` or `rule`.
        pub decided_by: String,
        /// The ids of the rules that decided, or that people answered; one word each.
        pub rules: String,
        /// When a rule that only waits for time lets go.
        pub until_at: Option<i64>,
        /// What the rules had when they were last asked about it: a number in `basis`.
        pub basis: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A file that is not served because another one holds the same in a safer form.
pub mod hidden_file {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "hidden_file")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub revision_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub environment: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub path: String,
        pub rule: String,
        pub reason: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod approval {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "approval")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub revision_id: String,
        pub environment: String,
        pub evidence_digest: String,
        pub reason: String,
        pub actor_ref: String,
        pub given_at: i64,
        pub expires_at: Option<i64>,
        pub ended_at: Option<i64>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod pointer {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "pointer")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub repository_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub environment: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub kind: String,
        pub commit_id: String,
        pub moved_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What a person has pinned: its bytes are never evicted while the pointer stays there.
pub mod pin {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "pin")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub repository_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub environment: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub commit_id: String,
        pub pinned_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod revoked_file {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "revoked_file")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub revision_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub environment: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub path: String,
        pub reason: String,
        pub revoked_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod denied_digest {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "denied_digest")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sha256: String,
        pub reason: String,
        pub denied_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod request {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "request")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub repo_kind: String,
        pub repo: String,
        pub rev: String,
        pub commit_id: Option<String>,
        pub environment: String,
        pub reason: String,
        pub actor_ref: String,
        pub actor_name: String,
        pub made_at: i64,
        pub state: String,
        pub decided_at: Option<i64>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod decision {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "decision")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub act: String,
        pub actor_ref: String,
        pub actor_name: String,
        pub environment: String,
        pub repo_kind: String,
        pub repo: String,
        pub rev: String,
        pub commit_id: Option<String>,
        pub path: String,
        pub code: String,
        pub sentence: String,
        pub hint: String,
        pub policy_rev: String,
        pub made_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Everything that decisions rested on from some time on: scanner, policy, publishers, environments. Numbers only go up.
pub mod basis {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "basis")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub number: i64,
        pub digest: String,
        pub words: String,
        pub scanner: String,
        pub begun_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
