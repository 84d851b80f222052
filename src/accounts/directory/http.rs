//! The endpoints of the directory, under `/-/scim/v2/`.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Trouble, Wish, error, groups, published, scim, search, shape, users};
use crate::{
    app::App,
    domain::refusal::Refusal,
    endpoint::{
        Endpoint,
        answer::{self, Either, Nothing},
        endpoint,
        input::{Asked, Json},
    },
    gate::{
        act::{
            PushGroup, PushGroups, PushPeople, PushPerson, ReadDirectory, ReadDirectoryPerson, ReadGroup, ReadGroups,
        },
        grant::Granted,
    },
};

type Answered = Result<answer::Json, Refusal>;
type Gone = Result<Either<Nothing, answer::Json>, Refusal>;

pub fn endpoints() -> Vec<Result<Endpoint, String>> {
    let (get, post, put, patch, delete) = (Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE);
    vec![
        endpoint(get.clone(), "/-/scim/v2/ServiceProviderConfig", config),
        endpoint(get.clone(), "/-/scim/v2/Schemas", schemas),
        endpoint(get.clone(), "/-/scim/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:User", schema::<0>),
        endpoint(
            get.clone(),
            "/-/scim/v2/Schemas/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
            schema::<1>,
        ),
        endpoint(get.clone(), "/-/scim/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group", schema::<2>),
        endpoint(get.clone(), "/-/scim/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:ResourceType", schema::<3>),
        endpoint(
            get.clone(),
            "/-/scim/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig",
            schema::<4>,
        ),
        endpoint(get.clone(), "/-/scim/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:Schema", schema::<5>),
        endpoint(get.clone(), "/-/scim/v2/ResourceTypes", types),
        endpoint(get.clone(), "/-/scim/v2/ResourceTypes/User", user_type),
        endpoint(get.clone(), "/-/scim/v2/ResourceTypes/Group", group_type),
        endpoint(post.clone(), "/-/scim/v2/.search", search_all),
        endpoint(get.clone(), "/-/scim/v2/Users", list_users),
        endpoint(post.clone(), "/-/scim/v2/Users", create_user),
        endpoint(post.clone(), "/-/scim/v2/Users/.search", search_users),
        endpoint(get.clone(), "/-/scim/v2/Users/{id}", show_user),
        endpoint(put.clone(), "/-/scim/v2/Users/{id}", replace_user),
        endpoint(patch.clone(), "/-/scim/v2/Users/{id}", patch_user),
        endpoint(delete.clone(), "/-/scim/v2/Users/{id}", delete_user),
        endpoint(get.clone(), "/-/scim/v2/Groups", list_groups),
        endpoint(post.clone(), "/-/scim/v2/Groups", create_group),
        endpoint(post, "/-/scim/v2/Groups/.search", search_groups),
        endpoint(get, "/-/scim/v2/Groups/{id}", show_group),
        endpoint(put, "/-/scim/v2/Groups/{id}", replace_group),
        endpoint(patch, "/-/scim/v2/Groups/{id}", patch_group),
        endpoint(delete, "/-/scim/v2/Groups/{id}", delete_group),
    ]
}

/// What this directory can be asked for.
async fn config(app: App, _: Granted<ReadDirectory>, (): ()) -> Answered {
    let no = json!({"supported": false});
    Ok(scim(&json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true}, "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": super::PAGE}, "changePassword": no, "sort": no, "etag": no,
        "authenticationSchemes": [{
            "type": "oauthbearertoken", "name": "Directory token", "primary": true,
            "description": "A token made on the gateway's host with: weighbridge token create --directory",
        }],
        "meta": meta(&app, "ServiceProviderConfig", "ServiceProviderConfig"),
    })))
}

async fn schemas(app: App, _: Granted<ReadDirectory>, (): ()) -> Answered {
    let all: Vec<Value> = shape::schemas().iter().map(|one| described(&app, one)).collect();
    Ok(scim(&published(&all)))
}

async fn schema<const N: usize>(app: App, _: Granted<ReadDirectory>, (): ()) -> Answered {
    let one = shape::schemas().get(N).ok_or_else(Refusal::not_found)?;
    Ok(scim(&described(&app, one)))
}

fn described(app: &App, one: &Value) -> Value {
    let mut one = one.clone();
    let path = format!("Schemas/{}", one["id"].as_str().unwrap_or_default());
    one["schemas"] = json!(["urn:ietf:params:scim:schemas:core:2.0:Schema"]);
    one["meta"] = meta(app, "Schema", &path);
    one
}

async fn types(app: App, _: Granted<ReadDirectory>, (): ()) -> Answered {
    Ok(scim(&published(&[type_of_users(&app), type_of_groups(&app)])))
}

async fn user_type(app: App, _: Granted<ReadDirectory>, (): ()) -> Answered {
    Ok(scim(&type_of_users(&app)))
}

async fn group_type(app: App, _: Granted<ReadDirectory>, (): ()) -> Answered {
    Ok(scim(&type_of_groups(&app)))
}

fn type_of_users(app: &App) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"], "id": "User", "name": "User",
        "endpoint": "/Users", "description": "People", "schema": shape::USER,
        "schemaExtensions": [{"schema": shape::ENTERPRISE, "required": false}],
        "meta": meta(app, "ResourceType", "ResourceTypes/User"),
    })
}

fn type_of_groups(app: &App) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"], "id": "Group", "name": "Group",
        "endpoint": "/Groups", "description": "Groups, which roles are given by", "schema": shape::GROUP,
        "meta": meta(app, "ResourceType", "ResourceTypes/Group"),
    })
}

fn meta(app: &App, kind: &str, path: &str) -> Value {
    json!({"resourceType": kind, "location": format!("{}/-/scim/v2/{path}", app.face.public_url)})
}

async fn list_users(app: App, may: Granted<ReadDirectory>, asked: Asked) -> Answered {
    searched(&app, &may, Wish::of(&asked)).await
}

async fn search_all(app: App, may: Granted<ReadDirectory>, Json(body): Json<Value>) -> Answered {
    match Wish::posted(&body) {
        Ok(wish) => answered(search(&app, &may, wish).await),
        Err(trouble) => answered(Err(trouble)),
    }
}

async fn search_users(app: App, may: Granted<ReadDirectory>, Json(body): Json<Value>) -> Answered {
    searched(&app, &may, Wish::posted(&body)).await
}

async fn searched(app: &App, may: &Granted<ReadDirectory>, wish: Result<Wish, Trouble>) -> Answered {
    match wish {
        Ok(wish) => answered(users::list(app, may, wish).await),
        Err(trouble) => answered(Err(trouble)),
    }
}

async fn show_user(app: App, may: Granted<ReadDirectoryPerson>, asked: Asked) -> Answered {
    answered(users::show(&app, &may, &asked).await)
}

async fn create_user(app: App, may: Granted<PushPeople>, Json(body): Json<Value>) -> Answered {
    created(users::create(&app, may, &body).await)
}

async fn replace_user(app: App, may: Granted<PushPerson>, Json(body): Json<Value>) -> Answered {
    answered(users::replace(&app, may, &body).await)
}

async fn patch_user(app: App, may: Granted<PushPerson>, Json(body): Json<Value>) -> Answered {
    answered(users::patch(&app, may, &body).await)
}

async fn delete_user(app: App, may: Granted<PushPerson>, (): ()) -> Gone {
    gone(users::delete(&app, may).await)
}

async fn list_groups(app: App, may: Granted<ReadGroups>, asked: Asked) -> Answered {
    groups_searched(&app, &may, Wish::of(&asked)).await
}

async fn search_groups(app: App, may: Granted<ReadGroups>, Json(body): Json<Value>) -> Answered {
    groups_searched(&app, &may, Wish::posted(&body)).await
}

async fn groups_searched(app: &App, may: &Granted<ReadGroups>, wish: Result<Wish, Trouble>) -> Answered {
    match wish {
        Ok(wish) => answered(groups::list(app, may, wish).await),
        Err(trouble) => answered(Err(trouble)),
    }
}

async fn show_group(app: App, may: Granted<ReadGroup>, asked: Asked) -> Answered {
    answered(groups::show(&app, &may, &asked).await)
}

async fn create_group(app: App, may: Granted<PushGroups>, Json(body): Json<Value>) -> Answered {
    created(groups::create(&app, may, &body).await)
}

async fn replace_group(app: App, may: Granted<PushGroup>, Json(body): Json<Value>) -> Answered {
    answered(groups::replace(&app, may, &body).await)
}

async fn patch_group(app: App, may: Granted<PushGroup>, Json(body): Json<Value>) -> Answered {
    answered(groups::patch(&app, may, &body).await)
}

async fn delete_group(app: App, may: Granted<PushGroup>, (): ()) -> Gone {
    gone(groups::delete(&app, may).await)
}

fn answered(answer: Result<Value, Trouble>) -> Answered {
    match answer {
        Ok(value) => Ok(scim(&value)),
        Err(Trouble::Refused(refusal)) => Err(refusal),
        Err(Trouble::Said { status, kind, detail }) => {
            Ok(scim(&error(status, kind, &detail))
                .status(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST)))
        }
    }
}

fn created(answer: Result<Value, Trouble>) -> Answered {
    let place = answer.as_ref().ok().and_then(|value| value["meta"]["location"].as_str()).map(str::to_owned);
    let json = answered(answer)?;
    Ok(match place {
        Some(place) => json.status(StatusCode::CREATED).header("location", place),
        None => json,
    })
}

fn gone(answer: Result<(), Trouble>) -> Gone {
    match answer {
        Ok(()) => Ok(Either::First(Nothing)),
        Err(trouble) => answered(Err(trouble)).map(Either::Second),
    }
}
