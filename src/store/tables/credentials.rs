//! What people and machines come in with: tokens, sessions and the ways to them, as rows. Never a query.

pub mod token {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "token")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub hash: Vec<u8>,
        /// service, personal, device, refresh, exchanged, directory: which prefix it has and what it may become.
        pub class: String,
        pub name: String,
        /// Empty where the roles are those of a person.
        pub role: String,
        pub reach: String,
        pub cluster: Option<String>,
        pub person_id: Option<String>,
        /// What it is held to beside the rights of its owner; `None` is everything that they allow.
        pub scopes: Option<String>,
        /// The sign-in that a device token and its successors come from.
        pub family: Option<String>,
        /// What an exchanged token was given for: issuer and subject, as JSON.
        pub workload: Option<String>,
        pub created_at: i64,
        pub created_by: String,
        pub expires_at: i64,
        /// When it was exchanged for a newer one: it works a little longer.
        pub replaced_at: Option<i64>,
        pub revoked_at: Option<i64>,
        /// Why it was ended, for its owner: reported, reused, or what somebody wrote.
        pub ended_why: Option<String>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod token_use {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "token_use")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub token_id: String,
        pub last_used_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod session {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub hash: Vec<u8>,
        pub person_id: String,
        /// oidc, bootstrap or breakglass.
        pub kind: String,
        pub provider: Option<String>,
        /// What the provider calls it, for its own logout.
        pub sid: Option<String>,
        /// Instead of the person's, for bootstrap and breakglass.
        pub roles: Option<String>,
        pub csrf: String,
        /// Sealed; shown to the provider when it is asked to end its own session.
        pub id_token: Option<Vec<u8>>,
        pub authenticated_at: i64,
        pub acr: Option<String>,
        pub amr: Option<String>,
        pub created_at: i64,
        pub used_at: i64,
        pub expires_at: i64,
        pub ended_at: Option<i64>,
        pub ended_why: Option<String>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod sign_in {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sign_in")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub state_hash: Vec<u8>,
        pub provider: String,
        /// Of the cookie in the browser that began it.
        pub binding_hash: Vec<u8>,
        /// Nonce and PKCE verifier.
        pub sealed: Vec<u8>,
        /// sign-in or step-up.
        pub purpose: String,
        /// Which credential a step-up is for.
        pub credential: Option<String>,
        pub return_to: String,
        pub created_at: i64,
        pub expires_at: i64,
        pub used_at: Option<i64>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod elevation {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "elevation")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub credential_id: String,
        pub person_id: String,
        pub authenticated_at: i64,
        pub acr: Option<String>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod device_sign_in {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "device_sign_in")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub code_hash: Vec<u8>,
        pub user_code_hash: Vec<u8>,
        pub client: String,
        /// Where it was begun, for the person who is asked: address and program, as JSON.
        pub source: String,
        pub person_id: Option<String>,
        /// allowed or denied.
        pub answer: Option<String>,
        pub answered_at: Option<i64>,
        pub created_at: i64,
        pub expires_at: i64,
        pub used_at: Option<i64>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod host_code {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "host_code")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: Vec<u8>,
        /// bootstrap or breakglass.
        pub purpose: String,
        pub reason: String,
        pub created_at: i64,
        pub expires_at: i64,
        pub used_at: Option<i64>,
        pub session_id: Option<String>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod seen_once {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "seen_once")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub issuer: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: Vec<u8>,
        pub expires_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod workload_block {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workload_block")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub issuer: String,
        pub subject: Option<String>,
        /// Where only one token is meant.
        pub token_id: Option<String>,
        /// What was issued before is not accepted.
        pub not_before: i64,
        pub reason: String,
        pub created_by: String,
        pub created_at: i64,
        pub expires_at: Option<i64>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod upstream_credential {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "upstream_credential")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// person or environment.
        pub owner_kind: String,
        pub owner: String,
        pub hub_user: String,
        pub sealed: Vec<u8>,
        pub created_at: i64,
        pub created_by: String,
        pub last_used_at: Option<i64>,
        pub ended_at: Option<i64>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// That somebody's credential, or the gateway's own (`gateway`), opened a repository that is closed at the hub.
pub mod upstream_opening {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "upstream_opening")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub kind: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub upstream_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub credential_id: String,
        pub name_key: String,
        pub opened_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod terms {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "terms")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub repository_id: String,
        pub environment: String,
        pub text_sha256: String,
        pub accepted_by: String,
        pub accepted_at: i64,
        pub reason: String,
        pub withdrawn_at: Option<i64>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
