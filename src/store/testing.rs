//! Fresh databases for tests: SQLite always, PostgreSQL where `WEIGHBRIDGE_TEST_POSTGRES` says where a server is.
//!
//! Never touches a database it did not make, and deletes each one when its test ends.

use std::path::{Path, PathBuf};

use sea_orm::{ConnectionTrait, Database};

use super::Store;

/// A folder of this test alone.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("weighbridge-{}", ulid::Ulid::generate()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A database of this test alone, and the folder that goes with it.
pub(crate) struct Fresh {
    pub(crate) url: String,
    pub(crate) folder: Folder,
    /// The server's own address, when there is a server.
    server: Option<String>,
}

impl Fresh {
    pub(crate) fn is_sqlite(&self) -> bool {
        self.server.is_none()
    }

    /// Opened and migrated. Every call opens it anew, as another process would.
    pub(crate) async fn store(&self) -> Store {
        Store::open(&self.url, true).await.unwrap()
    }
}

impl Drop for Fresh {
    /// In a thread of its own: a test may end in the middle of its runtime.
    fn drop(&mut self) {
        let Some(server) = self.server.clone() else { return };
        let name = self.url.rsplit('/').next().unwrap_or_default().to_owned();
        let drop = async move {
            let admin = Database::connect(server).await.unwrap();
            let _ = admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
        };
        let _ = std::thread::spawn(|| {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(drop);
        })
        .join();
    }
}

/// One fresh database of each kind.
pub(crate) async fn databases() -> Vec<Fresh> {
    let mut all = vec![sqlite()];
    all.extend(postgres().await);
    all
}

pub(crate) fn sqlite() -> Fresh {
    let folder = Folder::new();
    Fresh { url: format!("sqlite://{}/weighbridge.db", folder.path().display()), folder, server: None }
}

/// `None` where no server is named.
pub(crate) async fn postgres() -> Option<Fresh> {
    let server = std::env::var("WEIGHBRIDGE_TEST_POSTGRES").ok()?;
    let name = format!("test_{}", ulid::Ulid::generate().to_string().to_lowercase());
    let admin = Database::connect(&server).await.unwrap();
    admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    admin.close().await.unwrap();
    let base = server.rsplit_once('/').map_or(server.as_str(), |(base, _)| base);
    Some(Fresh { url: format!("{base}/{name}"), folder: Folder::new(), server: Some(server) })
}
