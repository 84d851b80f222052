//! Who owns a repository, asked of a stub.

use super::*;
use crate::domain::time::Micros;

#[tokio::test]
async fn an_owner_is_an_organisation_a_person_or_nobody() {
    let hub = Stub::start(|seen: &Seen| match seen.target.as_str() {
        "/api/organizations/orga/overview" => {
            Reply::json(&json!({ "_id": "5e6", "isVerified": true, "numModels": 40, "createdAt": 7 }))
        }
        "/api/users/eve/overview" => {
            Reply::json(&json!({ "_id": "77", "isVerified": true, "createdAt": "2026-11-01T00:00:00.000Z" }))
        }
        "/api/organizations/busy/overview" => Reply::status(500),
        _ => Reply::status(404),
    })
    .await;
    let upstream = upstream(&hub);
    let acme = upstream.owner("orga").await.unwrap().unwrap();
    assert_eq!((acme.is_organisation, acme.verified, acme.models), (true, true, Some(40)));
    assert_eq!(acme.created_at, None, "nobody is thought older for a date that is none");
    let eve = upstream.owner("eve").await.unwrap().unwrap();
    assert!(!eve.is_organisation && !eve.verified, "only organisations are verified");
    assert_eq!(eve.created_at, Micros::parse("2026-11-01T00:00:00.000Z"));
    assert_eq!(eve.upstream_id.as_deref(), Some("77"));
    assert_eq!(upstream.owner("nobody").await.unwrap(), None);
    assert!(upstream.owner("busy").await.is_err());
    let before = hub.targets().len();
    assert_eq!(upstream.owner("Eve").await.unwrap(), Some(eve));
    assert_eq!(hub.targets().len(), before, "an owner changes seldom");
}
