//! What a provider says about somebody who has just signed in there, once every part of it was found right.
//!
//! Never believes a part of a token before its signature, and never repeats what a token said in a refusal or a log.

use std::{collections::HashMap, fmt, time::Duration};

use futures_util::future::BoxFuture;
use openidconnect::{
    AdditionalClaims, AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken,
    EmptyExtraTokenFields, EndpointNotSet, EndpointSet, IdTokenFields, IssuerUrl, JsonWebKeySet, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, StandardErrorResponse,
    StandardTokenResponse, TokenResponse as _, TokenUrl,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim,
        CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreRevocableToken,
        CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
    },
};
use openidconnect::{ClaimsVerificationError, SignatureVerificationError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::groups::{self, Groups};
use crate::{
    app::providers::{Document, Provider},
    clock,
    domain::{refusal::Fault, time::Micros},
};

/// Who somebody was found to be.
pub struct Proof {
    pub subject: String,
    pub name: String,
    pub email: Option<String>,
    pub user_name: Option<String>,
    pub sid: Option<String>,
    /// When they last showed the provider who they are. Not said: not known.
    pub at: Option<Micros>,
    pub acr: Option<String>,
    pub amr: Vec<String>,
    pub groups: Groups,
    /// Kept sealed, for signing out at the provider.
    pub id_token: String,
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(..)")
    }
}

/// Why there is none.
#[derive(Debug)]
pub enum NoProof {
    /// The provider could not be asked.
    Down(Fault),
    /// What came is not right.
    Wrong(&'static str),
}

impl From<Fault> for NoProof {
    fn from(fault: Fault) -> Self {
        Self::Down(fault)
    }
}

/// What a browser carries to the provider.
pub struct Question<'a> {
    pub state: &'a str,
    pub nonce: &'a str,
    pub verifier: &'a str,
    /// Where the provider sends the browser back to.
    pub redirect: &'a str,
    /// Whether they have to show again who they are, even if the provider still knows them.
    pub anew: bool,
}

/// The address at the provider where somebody signs in.
pub fn address(provider: &Provider, document: &Document, question: &Question<'_>) -> Result<Url, Fault> {
    let client = client(provider, document, JsonWebKeySet::new(Vec::new()), question.redirect)?;
    let (state, nonce) = (CsrfToken::new(question.state.to_owned()), Nonce::new(question.nonce.to_owned()));
    let verifier = PkceCodeVerifier::new(question.verifier.to_owned());
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let mut request = client
        .authorize_url(flow, move || state, move || nonce)
        .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
        .add_scopes(provider.setting.scopes.iter().cloned().map(Scope::new));
    if question.anew {
        request = request.set_max_age(Duration::ZERO).add_prompt(CoreAuthPrompt::Login);
        if let Some(acr) = &provider.setting.acr {
            request = request.add_extra_param("acr_values", acr.clone());
        }
    }
    Ok(request.url().0)
}

/// Exchanges a code for an ID token, and looks at every part of it.
pub async fn fetch(provider: &Provider, code: &str, question: &Question<'_>) -> Result<Proof, NoProof> {
    let document = provider.document().await?;
    let client = client(provider, &document, JsonWebKeySet::new(Vec::new()), question.redirect)?;
    let send = Sender(provider);
    let answer = client
        .exchange_code(AuthorizationCode::new(code.to_owned()))
        .set_pkce_verifier(PkceCodeVerifier::new(question.verifier.to_owned()))
        .request_async(&send)
        .await;
    let answer = answer.map_err(|error| match error {
        RequestTokenError::Request(fault) => NoProof::Down(fault),
        RequestTokenError::ServerResponse(_) => NoProof::Wrong("the provider does not take this code, or not again"),
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            NoProof::Wrong("the provider's answer is not what a sign-in needs")
        }
    })?;
    let token = answer.id_token().ok_or(NoProof::Wrong("the provider sent no ID token"))?;
    let keys = provider.keys().await?;
    let mut claims = verify(provider, &keys, token, question.nonce);
    if matches!(claims, Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)))
    {
        let keys = provider.newer_keys().await?;
        claims = verify(provider, &keys, token, question.nonce);
    }
    let claims = claims.map_err(|error| NoProof::Wrong(why(&error)))?;
    let setting = &provider.setting;
    let mine = |party: &str| party == setting.client_id;
    match claims.authorized_party() {
        Some(party) if !mine(party.as_str()) => return Err(NoProof::Wrong("the ID token was given to another client")),
        None if claims.audiences().len() > 1 => {
            return Err(NoProof::Wrong("the ID token is for several clients and does not say whose it is"));
        }
        _ => {}
    }
    let said = &claims.additional_claims().other;
    let now = clock::now();
    if let Some(not_before) = said.get("nbf") {
        let begins = not_before.as_i64().is_some_and(|at| at <= now.plus_seconds(SKEW).seconds());
        begins.then_some(()).ok_or(NoProof::Wrong("the ID token is not valid yet"))?;
    }
    let text = |value: Option<&str>| value.map(plain).filter(|text| !text.is_empty());
    let first = |values: Option<&openidconnect::LocalizedClaim<openidconnect::EndUserName>>| {
        values.and_then(|all| all.get(None)).and_then(|name| text(Some(name.as_str())))
    };
    let subject = claims.subject().to_string();
    if subject.is_empty() || subject.len() > 255 || subject.chars().any(char::is_control) {
        return Err(NoProof::Wrong("the ID token's subject is none"));
    }
    let user_name = text(claims.preferred_username().map(|name| name.as_str()));
    let email = text(claims.email().map(|email| email.as_str())).filter(|_| claims.email_verified() != Some(false));
    Ok(Proof {
        name: first(claims.name()).or_else(|| user_name.clone()).unwrap_or_else(|| plain(&subject)),
        email,
        user_name,
        sid: said.get("sid").and_then(Value::as_str).map(str::to_owned),
        at: claims.auth_time().map(|at| Micros(at.timestamp_micros())).filter(|at| *at <= now.plus_seconds(SKEW)),
        acr: claims.auth_context_ref().map(|acr| acr.to_string()),
        amr: claims.auth_method_refs().into_iter().flatten().map(|amr| plain(amr)).collect(),
        groups: groups::read(said, setting.groups_claim.as_deref(), setting.groups_limit),
        id_token: token.to_string(),
        subject,
    })
}

/// The way to the token endpoint, as the library wants it.
struct Sender<'a>(&'a Provider);

impl<'c> AsyncHttpClient<'c> for Sender<'_> {
    type Error = Fault;
    type Future = BoxFuture<'c, Result<http::Response<Vec<u8>>, Fault>>;

    fn call(&'c self, request: http::Request<Vec<u8>>) -> Self::Future {
        Box::pin(self.0.send(request))
    }
}

/// How far our clocks may be apart, in seconds.
pub const SKEW: i64 = 60;

/// Everything that is said beside what the standard names.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Said {
    #[serde(flatten)]
    other: HashMap<String, Value>,
}

impl AdditionalClaims for Said {}

type Fields = IdTokenFields<
    Said,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type IdToken =
    openidconnect::IdToken<Said, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
type Claims = openidconnect::IdTokenClaims<Said, CoreGenderClaim>;
type Keys = JsonWebKeySet<CoreJsonWebKey>;
type Ours = Client<
    Said,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
>;

fn client(provider: &Provider, document: &Document, keys: Keys, redirect: &str) -> Result<Ours, Fault> {
    let bad = |_| Fault::new(format!("an address of the provider {} cannot be read", provider.setting.name));
    let setting = &provider.setting;
    let issuer = IssuerUrl::new(setting.issuer.clone()).map_err(bad)?;
    let mut client = Client::new(ClientId::new(setting.client_id.clone()), issuer, keys)
        .set_redirect_uri(RedirectUrl::new(redirect.to_owned()).map_err(bad)?);
    if let Some(secret) = &setting.client_secret {
        client = client.set_client_secret(ClientSecret::new(secret.clone()));
    }
    let ways = &document.token_endpoint_auth_methods_supported;
    let has = |way: &str| ways.iter().any(|one| one == way);
    if has("client_secret_post") && !has("client_secret_basic") {
        client = client.set_auth_type(AuthType::RequestBody);
    }
    Ok(client
        .set_auth_uri(AuthUrl::new(document.authorization_endpoint.clone()).map_err(bad)?)
        .set_token_uri(TokenUrl::new(document.token_endpoint.clone()).map_err(bad)?))
}

fn verify(provider: &Provider, keys: &Value, token: &IdToken, nonce: &str) -> Result<Claims, ClaimsVerificationError> {
    let unreadable = |_| ClaimsVerificationError::Other("the provider's keys cannot be read".to_owned());
    let keys: Keys = serde_json::from_value(keys.clone()).map_err(unreadable)?;
    let issuer = IssuerUrl::new(provider.setting.issuer.clone())
        .map_err(|_| ClaimsVerificationError::Other("the issuer cannot be read".to_owned()))?;
    let now = clock::now();
    let late = std::time::UNIX_EPOCH + Duration::from_micros(now.plus_seconds(-SKEW).0.unsigned_abs());
    let early = now.plus_seconds(SKEW).seconds();
    // As a client without a secret: an ID token signed with one would be as good as any text that knows it.
    let verifier = openidconnect::IdTokenVerifier::new_public_client(
        ClientId::new(provider.setting.client_id.clone()),
        issuer,
        keys,
    )
    .set_allowed_algs([
        CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
        CoreJwsSigningAlgorithm::EcdsaP256Sha256,
        CoreJwsSigningAlgorithm::RsaSsaPssSha256,
        CoreJwsSigningAlgorithm::EdDsa,
    ])
    .set_other_audience_verifier_fn(|_| true)
    .set_time_fn(move || late.into())
    .set_issue_time_verifier_fn(
        move |issued| if issued.timestamp() <= early { Ok(()) } else { Err("in the future".to_owned()) },
    );
    token.claims(&verifier, &Nonce::new(nonce.to_owned())).cloned()
}

/// In words of ours: the library's own repeat what the token said.
fn why(error: &ClaimsVerificationError) -> &'static str {
    match error {
        ClaimsVerificationError::Expired(_) => "the ID token's time is over, or has not begun",
        ClaimsVerificationError::InvalidAudience(_) => "the ID token was made for another client",
        ClaimsVerificationError::InvalidIssuer(_) => "the ID token comes from another issuer",
        ClaimsVerificationError::InvalidNonce(_) => "the ID token answers another sign-in",
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => {
            "the ID token is signed with a key that the provider does not publish"
        }
        ClaimsVerificationError::SignatureVerification(_) => {
            "the ID token's signature is wrong, or of a kind not taken"
        }
        _ => "the ID token is not right",
    }
}

/// For people to read: without what could change how the rest of a line looks, and not without end.
fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|c| !c.is_control() && !turns(*c)).take(200).collect()
}
