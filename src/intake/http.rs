//! The endpoints of work: jobs, prefetching and storage, under `/-/api/v1/`.

use http::Method;
use serde_json::Value;

use super::show::{self, Prefetch};
use crate::{
    app::App,
    domain::refusal::Refusal,
    endpoint::{
        Endpoint, answer, endpoint,
        input::{Asked, Json},
    },
    gate::{
        act::{PrefetchRevision, ReadJob, ReadJobs, ReadStorage, RetryJob},
        grant::Granted,
    },
};

type Answered = Result<answer::Json, Refusal>;

pub fn endpoints() -> Vec<Result<Endpoint, String>> {
    let (get, post) = (Method::GET, Method::POST);
    vec![
        endpoint(get.clone(), "/-/api/v1/jobs", jobs),
        endpoint(get.clone(), "/-/api/v1/jobs/{id}", job),
        endpoint(post.clone(), "/-/api/v1/jobs/{id}/retry", retry),
        endpoint(get, "/-/api/v1/storage", storage),
        endpoint(post, "/-/api/v1/environments/{environment}/prefetches/{typed-repo}/{rev}", prefetch),
    ]
}

async fn jobs(app: App, may: Granted<ReadJobs>, asked: Asked) -> Answered {
    answered(show::list(&app, &may, asked.query("state").as_deref()).await)
}

async fn job(app: App, may: Granted<ReadJob>, (): ()) -> Answered {
    answered(show::one(&app, &may).await)
}

async fn retry(app: App, may: Granted<RetryJob>, (): ()) -> Answered {
    answered(show::retry(&app, may).await)
}

async fn storage(app: App, may: Granted<ReadStorage>, (): ()) -> Answered {
    answered(show::storage(&app, &may).await)
}

async fn prefetch(app: App, may: Granted<PrefetchRevision>, Json(input): Json<Prefetch>) -> Answered {
    answered(show::prefetch(&app, &may, input).await)
}

fn answered(answer: Result<Value, Refusal>) -> Answered {
    answer.map(|value| answer::Json::new(&value))
}
