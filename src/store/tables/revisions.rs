//! Repositories, their revisions and files, and what is known of them, as rows. Never a query.

pub mod repository {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "repository")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub kind: String,
        pub upstream_id: String,
        pub name: String,
        /// What the hub calls it now: `name` is what it was called when we first took something of it, and stays.
        pub hub_name: String,
        pub facts: String,
        pub first_seen_at: i64,
        pub seen_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod repository_name {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "repository_name")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub kind: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
        pub repository_id: String,
        pub first_seen_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod revision {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "revision")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub repository_id: String,
        pub commit_id: String,
        pub title: String,
        pub committed_at: Option<i64>,
        pub facts: String,
        pub tree_digest: Option<String>,
        pub listed_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod file {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "file")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub revision_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub path: String,
        pub size: i64,
        pub git_id: String,
        pub lfs: Option<String>,
        pub sha256: Option<String>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Under which id a revision is being written down, until it is: its files come in parts, the revision itself last.
pub mod listing {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "listing")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub repository_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub commit_id: String,
        pub revision_id: String,
        pub begun_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod history {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "history")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub repository_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub ref_name: String,
        pub ref_kind: String,
        pub commits: String,
        pub seen_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What the scanner saw in one file of a revision.
pub mod report {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "report")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub revision_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub path: String,
        /// The sha256 of LFS, or git's id: what the hub says the bytes are.
        pub bytes_id: String,
        /// The version of the scanner with the digest of its rules.
        pub scanner: String,
        /// A digest of the other files' names: they are part of what a loader sees.
        pub siblings: String,
        /// `inspected`: only the ranges that decide were read. `verified`: the stored bytes were read.
        pub stage: String,
        pub format: String,
        pub verdict: String,
        pub coverage: String,
        pub body: String,
        /// The ranges that were read over the network, each with its sha256: the stored bytes must hold the same.
        pub ranges: String,
        pub made_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The tensors of one file of weights: what it is compared by.
pub mod tensor_list {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tensor_list")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub revision_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub path: String,
        /// Name, type, shape and place of each, as JSON.
        pub list: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What is known of a revision, as policy reads it.
pub mod knowledge {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "knowledge")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub revision_id: String,
        pub scanner: String,
        pub verdict: String,
        pub coverage: String,
        pub facts: String,
        /// Over every file's verdict, coverage and findings.
        pub findings_digest: String,
        pub seen_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// When the hub was last asked how a repository stands.
pub mod hub_look {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "hub_look")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub repository_id: String,
        pub looked_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// How a repository stands at the hub, since when, and in which words. No row: it is live.
pub mod hub_state {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "hub_state")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub repository_id: String,
        pub state: String,
        pub why: String,
        pub since: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// When a revision was last pulled or looked at.
pub mod revision_use {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "revision_use")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub repository_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub commit_id: String,
        pub used_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
