//! Requests whose JSON is written and read by hand.

use secrecy::ExposeSecret as _;

use super::Client;
use crate::matrix::answer::Answer;
use crate::matrix::verdict::{RequestKind, Verdict};
use crate::matrix::{Failure, TokenTrouble};

impl Client {
    /// Sends JSON and reads JSON, for endpoints that ruma does not have in the form that is needed.
    pub(in crate::matrix) async fn json(
        &self,
        kind: RequestKind,
        method: http::Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&serde_json::Value>,
    ) -> Result<serde_json::Value, Failure> {
        let mut url = url::Url::parse(self.base().await?).map_err(|_| no_address())?;
        url.path_segments_mut()
            .map_err(|()| no_address())?
            .pop_if_empty()
            .extend(path);
        for (name, value) in query {
            url.query_pairs_mut().append_pair(name, value);
        }
        let answer = self.ask(method, url.as_str(), body).await?;
        let read = serde_json::from_slice(answer.body());
        if answer.status().is_success() {
            return read.map_err(|_| Failure::unreadable(answer.status().as_u16(), "no JSON"));
        }
        let body = ruma::api::error::ErrorBody::Json(read.unwrap_or_default());
        let (status, now) = (answer.status().as_u16(), std::time::SystemTime::now());
        Err(Failure::answered(
            kind,
            Answer::read(status, answer.headers(), &body, now),
        ))
    }

    /// Sends JSON and reads JSON, for the one endpoint whose refusal has to be read. The status is that of the answer.
    #[cfg(feature = "encryption")]
    pub(in crate::matrix) async fn post(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<(u16, serde_json::Value), Failure> {
        let url = format!("{}{path}", self.base().await?.trim_end_matches('/'));
        let answer = self.ask(http::Method::POST, &url, Some(body)).await?;
        let body = serde_json::from_slice(answer.body()).unwrap_or_default();
        Ok((answer.status().as_u16(), body))
    }

    async fn ask(
        &self,
        method: http::Method,
        url: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<http::Response<Vec<u8>>, Failure> {
        let session = self.0.session.load_full();
        let token = session.token.expose_secret();
        let request = http::Request::builder()
            .method(method)
            .uri(url)
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(http::header::AUTHORIZATION, format!("Bearer {token}"))
            .body(body.map_or_else(Vec::new, |body| body.to_string().into_bytes()))
            .map_err(|_| no_address())?;
        self.0.http_client.exchange(request, &[token]).await
    }
}

fn no_address() -> Failure {
    Failure::without_answer(Verdict::Token(TokenTrouble::WrongAddress), "no valid request")
}
