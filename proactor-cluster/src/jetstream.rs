//! The records in JetStream: a bucket of its key-value store. The requests are those of its API,
//! which nats-server 2.9 has too.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, HeaderMap, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proactor::cluster::{Record, RecordError, Revision};
use serde_json::{Value, json};

use crate::bucket::Bucket;
use crate::calls::{Call, Calls, Deed};
use crate::connection::Connection;
use crate::state::State;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Error codes of JetStream.
const WRONG_REVISION: u64 = 10071;
const NO_MESSAGE: u64 = 10037;
const NO_SEQUENCE: u64 = 10043;
const NOT_DELETED: u64 = 10057;
const NO_STREAM: u64 = 10059;
const OTHER_CONFIG: u64 = 10058;

pub(crate) struct JetStream {
    client: Client,
    connection: Arc<Connection>,
    state: Arc<State>,
    bucket: Bucket,
    /// It is there, and is as it must be.
    is_made: AtomicBool,
}

impl JetStream {
    pub(crate) fn new(
        client: &Client,
        connection: &Arc<Connection>,
        state: &Arc<State>,
        bucket: (&str, usize),
    ) -> JetStream {
        JetStream {
            client: client.clone(),
            connection: Arc::clone(connection),
            state: Arc::clone(state),
            bucket: Bucket::new(bucket),
            is_made: AtomicBool::new(false),
        }
    }

    /// The name of its bucket.
    pub(crate) fn bucket(&self) -> &str {
        &self.bucket.name
    }

    /// Answers calls until nobody is left to make one.
    pub(crate) async fn serve(self, calls: Calls) {
        let own = Arc::new(self);
        let answer = move |call| {
            let own = Arc::clone(&own);
            async move { own.answer(call).await }
        };
        calls.serve(answer).await;
    }

    async fn answer(&self, Call { key, deed, .. }: Call) {
        let subject = format!("$KV.{}.{key}", self.bucket.name);
        match deed {
            Deed::Get(answer) => answer.tell(self.get(&subject).await),
            Deed::Put { value, expected, answer } => answer.tell(self.put(subject, value, expected).await),
            Deed::Delete { expected, answer } => answer.tell(self.delete(expected).await),
        }
    }

    async fn get(&self, subject: &str) -> Result<Option<Record>, RecordError> {
        let answer = match self.api("STREAM.MSG.GET", &json!({ "last_by_subj": subject })).await? {
            Err((NO_MESSAGE, _)) => return Ok(None),
            answer => self.settle(answer)?,
        };
        let message = &answer["message"];
        let value = message["data"].as_str().map_or(Ok(Vec::new()), |data| STANDARD.decode(data));
        match (message["seq"].as_u64(), value) {
            (Some(revision), Ok(value)) => Ok(Some(Record { value: value.into(), revision: Revision(revision) })),
            _ => Err(self.refusal(0, "it has a record that cannot be read")),
        }
    }

    async fn put(&self, subject: String, value: Bytes, expected: Revision) -> Result<Revision, RecordError> {
        self.make_bucket().await?;
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Last-Subject-Sequence", expected.0.to_string().as_str());
        let request = Request::new().payload(value).headers(headers);
        let answer = match self.request(subject, request).await? {
            Err((WRONG_REVISION, _)) => return Err(RecordError::Conflict),
            answer => self.settle(answer)?,
        };
        answer["seq"].as_u64().map(Revision).ok_or(RecordError::Unknown)
    }

    async fn delete(&self, expected: Revision) -> Result<(), RecordError> {
        // A later write has another number, and this one is gone then.
        match self.api("STREAM.MSG.DELETE", &json!({ "seq": expected.0, "no_erase": true })).await? {
            // The bucket's settings have changed since they were looked at.
            Err((NOT_DELETED, why)) if why.contains("not permitted") => {
                self.is_made.store(false, Ordering::Release);
                Err(RecordError::Refused)
            }
            Err((NO_MESSAGE | NO_SEQUENCE | NOT_DELETED, _)) => Err(RecordError::Conflict),
            answer => self.settle(answer).map(drop),
        }
    }

    /// A request to JetStream about the bucket.
    async fn api(&self, what: &str, body: &Value) -> Result<Answer, RecordError> {
        self.make_bucket().await?;
        self.ask(what, body).await
    }

    fn ask(&self, what: &str, body: &Value) -> impl Future<Output = Result<Answer, RecordError>> {
        let subject = format!("$JS.API.{what}.{}", self.bucket.stream());
        self.request(subject, Request::new().payload(body.to_string().into()))
    }

    /// Makes the bucket, if it is not known to be there.
    async fn make_bucket(&self) -> Result<(), RecordError> {
        if self.is_made.load(Ordering::Acquire) {
            return Ok(());
        }
        match self.has_bucket().await? {
            Ok(()) => Ok(()),
            Err(fault) => {
                self.state.bucket_fault(&self.bucket.name, &fault);
                Err(RecordError::Refused)
            }
        }
    }

    /// Makes the bucket, or looks at the one that is there. The inner error says why that cannot be
    /// used.
    pub(crate) async fn has_bucket(&self) -> Result<Result<(), String>, RecordError> {
        match self.ask("STREAM.CREATE", &self.bucket.config()).await? {
            Err((OTHER_CONFIG, _)) => {
                let answer = self.ask("STREAM.INFO", &json!({})).await?;
                let config = &self.settle(answer)?["config"];
                if let Some(fault) = self.bucket.fault(config) {
                    return Ok(Err(fault));
                }
                if let Some(weakness) = self.bucket.weakness(config) {
                    self.state.bucket_weakness(&self.bucket.name, &weakness);
                }
            }
            answer => _ = self.settle(answer)?,
        }
        self.is_made.store(true, Ordering::Release);
        Ok(Ok(()))
    }

    async fn request(&self, subject: String, request: Request) -> Result<Answer, RecordError> {
        if !self.connection.is_there() {
            return Err(RecordError::Refused);
        }
        // Not which record: its key may be a secret.
        let about = if subject.starts_with("$KV.") { "a write of a record".to_owned() } else { subject.clone() };
        let request = self.client.send_request(subject, request.timeout(Some(PATIENCE)));
        let message = match self.connection.unless_lost(request).await {
            Some(Ok(message)) => message,
            None => return Err(RecordError::Unknown),
            Some(Err(error)) => {
                return match error.kind() {
                    RequestErrorKind::NoResponders => Ok(Err((NO_STREAM, "nobody answers there".into()))),
                    RequestErrorKind::TimedOut | RequestErrorKind::Other => {
                        tracing::debug!("NATS at {} does not answer {about}: {error}", self.state.servers);
                        Err(RecordError::Unknown)
                    }
                    _ => Ok(Err((0, error.to_string()))),
                };
            }
        };
        let Ok(answer) = serde_json::from_slice::<Value>(&message.payload) else { return Err(RecordError::Unknown) };
        match answer.get("error") {
            None => Ok(Ok(answer)),
            Some(error) => {
                let why = error["description"].as_str().unwrap_or("it does not say why");
                Ok(Err((error["err_code"].as_u64().unwrap_or(0), why.to_owned())))
            }
        }
    }

    fn settle(&self, answer: Answer) -> Result<Value, RecordError> {
        answer.map_err(|(code, why)| self.refusal(code, &why))
    }

    /// An error that no caller expects is said.
    fn refusal(&self, code: u64, why: &str) -> RecordError {
        // A bucket that is gone is made anew with the next call; without JetStream that says so.
        if code != NO_STREAM || !self.is_made.swap(false, Ordering::AcqRel) {
            self.state.records_error(&self.bucket.name, why);
        }
        RecordError::Refused
    }
}

/// What JetStream says, or its error's code and text.
type Answer = Result<Value, (u64, String)>;
