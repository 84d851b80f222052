//! One request, and one JSON answer with its retries.
//!
//! Every request of this adapter is made in `hop`, with headers of its own: nothing is carried from one hop to the
//! next. Never follows a redirect by itself.

use std::time::Duration;

use http::{
    HeaderValue, Method,
    header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, RANGE},
};
use reqwest::Response;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};
use url::Url;

use super::{
    Inner,
    answer::{Asking, Head},
    budget::Lane,
    trouble::{self, Trouble},
};

/// A JSON answer, or where the hub says that it is to be had.
pub(super) enum Answer<T> {
    Here(Page<T>),
    Moved(Url),
}

pub(super) struct Page<T> {
    pub(super) value: T,
    pub(super) bytes: usize,
    /// The query of the page after this one.
    pub(super) next: Option<String>,
}

/// A request that failed, and whether the very same one may be tried at once.
struct Failed {
    trouble: Trouble,
    again: bool,
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self { trouble, again: false }
    }
}

impl Inner {
    /// Asks for JSON on the hub, again when the hub stumbles. A time-out is not tried again: the caller has waited.
    pub(super) async fn json<T: DeserializeOwned>(&self, url: &Url, asking: Asking) -> Result<Answer<T>, Trouble> {
        let mut left = TRIES;
        loop {
            let turn = self.budget.enter(Lane::Answers).await?;
            let asked = timeout(self.limits.json, self.json_once(url, asking)).await;
            drop(turn);
            left -= 1;
            let failed = match asked {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(failed)) => failed,
                Err(_) => Failed::from(trouble::too_slow(host(url))),
            };
            let wait = match failed.trouble {
                Trouble::Busy { retry_after } if retry_after <= self.limits.patience => retry_after,
                Trouble::Unreachable(_) if failed.again => self.pause(TRIES - left),
                _ => return Err(failed.trouble),
            };
            if left == 0 {
                return Err(failed.trouble);
            }
            tracing::debug!(host = host(url), trouble = %failed.trouble, "asking the hub again");
            sleep(wait).await;
        }
    }

    async fn json_once<T: DeserializeOwned>(&self, url: &Url, asking: Asking) -> Result<Answer<T>, Failed> {
        self.hosts.check(None, url)?;
        let response = self.hop(url, None).await?;
        let head = self.head(url, &response);
        if head.is_redirect() {
            return Ok(Answer::Moved(head.location(url)?));
        }
        if !head.status.is_success() {
            let trouble = head.trouble(asking);
            return Err(Failed { again: head.status.is_server_error(), trouble });
        }
        head.refuse_encoded()?;
        let next = head.next_query(url)?;
        let body = self.body(url, response).await?;
        let value = serde_json::from_slice(&body).map_err(|_| {
            Trouble::Unexpected(format!("The hub's host {} answered with something unreadable.", host(url)))
        })?;
        Ok(Answer::Here(Page { value, bytes: body.len(), next }))
    }

    /// One GET of one URL that `hosts` has checked.
    async fn hop(&self, url: &Url, range: Option<&str>) -> Result<Response, Failed> {
        let mut request = reqwest::Request::new(Method::GET, url.clone());
        let headers = request.headers_mut();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(range) = range.and_then(|r| HeaderValue::from_str(r).ok()) {
            headers.insert(RANGE, range);
        }
        if let Some(authorization) = self.authorization.as_ref().filter(|_| self.hosts.is_origin(url)) {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let response = match timeout(self.limits.headers, self.client.execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let again = !error.is_timeout() || error.is_connect();
                return Err(Failed { trouble: trouble::of_exchange(host(url), &error), again });
            }
            Err(_) => return Err(trouble::too_slow(host(url)).into()),
        };
        let head = self.head(url, &response);
        // Only the hub's own answers close the gate: a CDN's refusal concerns one file.
        if head.origin
            && let Some(wait) = head.wait().filter(|_| head.status == 429).or_else(|| head.spent())
        {
            tracing::warn!(seconds = wait.as_secs(), "the hub asks us to wait");
            self.budget.close_for(wait);
        }
        Ok(response)
    }

    /// One GET on the way to a file.
    pub(super) async fn file_hop(&self, url: &Url, range: Option<&str>) -> Result<Response, Trouble> {
        self.hop(url, range).await.map_err(|failed| failed.trouble)
    }

    pub(super) fn head<'a>(&self, url: &'a Url, response: &'a Response) -> Head<'a> {
        let origin = self.hosts.is_origin(url);
        Head { status: response.status(), headers: response.headers(), host: host(url), origin }
    }

    async fn body(&self, url: &Url, mut response: Response) -> Result<Vec<u8>, Failed> {
        let most = self.limits.page_bytes;
        let too_large = || Trouble::TooLarge(format!("The hub's answer is larger than {} MiB.", most >> 20));
        let said = response.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
        if said.is_some_and(|length| length > most) {
            return Err(too_large().into());
        }
        let mut body = Vec::with_capacity(said.unwrap_or(0).min(1 << 20));
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > most => return Err(too_large().into()),
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(error) => return Err(Failed { trouble: trouble::of_exchange(host(url), &error), again: true }),
            }
        }
    }

    /// Half of it fixed and half by chance, so that many callers do not come back together.
    fn pause(&self, tried: u32) -> Duration {
        let mut chance = [0_u8; 1];
        if aws_lc_rs::rand::fill(&mut chance).is_err() {
            chance = [128];
        }
        let half = self.limits.pause * tried / 2;
        half + half * u32::from(chance[0]) / 255
    }
}

pub(super) fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

/// The first and two more.
const TRIES: u32 = 3;
