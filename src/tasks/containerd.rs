//! The worker's task `containerd`: what containerd's records say about one container.
//!
//! containerd's socket is root's, so it is connected before the confinement; everything that containerd says is read
//! after it. A few questions are asked of containerd's own services (containers, snapshots, images), never of CRI,
//! and none of them waits for the container that is being made.
//!
//! gRPC is HTTP/2 with frames of five bytes in front, so `h2` is the client and `prost` reads the few fields that
//! count; the messages are those of containerd's `api/services/*/v1/*.proto`, whose field numbers are fixed.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use prost::Message;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::deadline::Deadline;
use crate::limits;
use crate::worker::protocol::{
    ContainerdAnswer, ContainerdContainer, ContainerdImage, ContainerdPod, ContainerdRequest,
    read_request, write_answer,
};

/// gRPC's word for "there is none".
const NOT_FOUND: &str = "5";
/// CRI's part of a container's record (containerd `internal/cri/server/container_create.go`).
const CRI_METADATA: &str = "io.cri-containerd.container.metadata";
/// The label that nerdctl names its containers by; for people only.
const NERDCTL_NAME: &str = "nerdctl/name";
/// The label that CRI sets last, after everything a pod can say.
const CRI_KIND: &str = "io.cri-containerd.kind";

/// Answers one request. `enter_sandbox` gives up the process's rights after the connection is made.
pub fn run(
    input: impl Read,
    output: impl Write,
    enter_sandbox: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let request: ContainerdRequest = read_request(input)?;
    let deadline = Deadline::after(Duration::from_millis(request.deadline_ms));
    let connection = connect(&request.sockets);
    enter_sandbox()?;
    let answer = connection.and_then(|stream| ask(stream, &request, &deadline));
    write_answer(
        output,
        &answer.unwrap_or_else(|problem| ContainerdAnswer::Unavailable { problem }),
    )
}

/// The first of the sockets that is one, belongs to root or to this user, and is listened to.
fn connect(sockets: &[PathBuf]) -> Result<UnixStream, String> {
    let mut problems = Vec::new();
    for socket in sockets {
        match open(socket) {
            Ok(stream) => return Ok(stream),
            Err(error) => problems.push(format!("{}: {error}", socket.display())),
        }
    }
    Err(problems.join("; "))
}

fn open(socket: &Path) -> io::Result<UnixStream> {
    let metadata = std::fs::metadata(socket)?;
    let owner = metadata.uid();
    if !metadata.file_type().is_socket() {
        return Err(io::Error::other("it is not a socket"));
    }
    if owner != 0 && owner != nix::unistd::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    let stream = UnixStream::connect(socket)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

fn ask(
    stream: UnixStream,
    request: &ContainerdRequest,
    deadline: &Deadline,
) -> Result<ContainerdAnswer, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let time = deadline.remaining();
    runtime.block_on(async {
        let conversation = tokio::time::timeout(time, converse(stream, request));
        conversation.await.unwrap_or_else(|_| Err("containerd did not answer in time".to_owned()))
    })
}

async fn converse(
    stream: UnixStream,
    request: &ContainerdRequest,
) -> Result<ContainerdAnswer, String> {
    let stream = tokio::net::UnixStream::from_std(stream).map_err(|error| error.to_string())?;
    let (sender, connection) = h2::client::handshake(stream).await.map_err(|e| e.to_string())?;
    tokio::spawn(connection);
    let service = Service { sender, namespace: request.namespace.clone() };
    let id = GetContainerRequest { id: request.container.clone() };
    let found: Option<GetContainerResponse> =
        service.call("containerd.services.containers.v1.Containers/Get", &id).await?;
    let Some(container) = found.and_then(|response| response.container) else {
        return Ok(ContainerdAnswer::NotFound);
    };
    let snapshot_parent = service.snapshot_parent(&container).await?;
    let metadata = container.extensions.get(CRI_METADATA).and_then(metadata::<ContainerMetadata>);
    let metadata = metadata.unwrap_or_default();
    let CriLabels { pod_name, pod_namespace } = metadata.config.labels;
    let name = match metadata.config.metadata.name {
        name if name.is_empty() => container.labels.get(NERDCTL_NAME).cloned().unwrap_or_default(),
        name => name,
    };
    let images: Option<ListImagesResponse> =
        service.call("containerd.services.images.v1.Images/List", &ListImagesRequest {}).await?;
    Ok(ContainerdAnswer::Container(Box::new(ContainerdContainer {
        name,
        pod: ContainerdPod { name: pod_name, namespace: pod_namespace },
        image_ref: metadata.image_ref,
        kind: container.labels.get(CRI_KIND).cloned(),
        created: container.created_at.and_then(nanoseconds),
        image: container.image,
        snapshot_parent,
        images: images.map(known_images).unwrap_or_default(),
    })))
}

fn known_images(response: ListImagesResponse) -> Vec<ContainerdImage> {
    let known = |image: Image| {
        let updated = image.updated_at.and_then(nanoseconds);
        Some(ContainerdImage {
            name: image.name,
            target: image.target?.digest.parse().ok()?,
            updated,
        })
    };
    response.images.into_iter().filter_map(known).collect()
}

fn nanoseconds(time: Timestamp) -> Option<i64> {
    time.seconds.checked_mul(1_000_000_000)?.checked_add(i64::from(time.nanos))
}

/// What CRI keeps about a container.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ContainerMetadata {
    image_ref: Option<String>,
    config: CriConfig,
}

/// The part of a CRI request that names things.
#[derive(Default, Deserialize)]
#[serde(default)]
struct CriConfig {
    metadata: CriNames,
    labels: CriLabels,
}

/// Those of a container's request are the kubelet's own; those of the record itself have the image's among them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct CriLabels {
    #[serde(rename = "io.kubernetes.pod.name")]
    pod_name: String,
    #[serde(rename = "io.kubernetes.pod.namespace")]
    pod_namespace: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CriNames {
    name: String,
}

/// CRI keeps its metadata as JSON: `{"Version":"v1","Metadata":{"ImageRef":"sha256:…",…}}`.
fn metadata<T: DeserializeOwned>(extension: &Any) -> Option<T> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Versioned<T> {
        metadata: T,
    }
    serde_json::from_slice::<Versioned<T>>(&extension.value).ok().map(|v| v.metadata)
}

/// One connection to containerd, speaking for one namespace.
struct Service {
    sender: SendRequest<Bytes>,
    namespace: String,
}

impl Service {
    async fn snapshot_parent(
        &self,
        container: &Container,
    ) -> Result<Option<crate::oci::Digest>, String> {
        if container.snapshot_key.is_empty() {
            return Ok(None);
        }
        let request = StatSnapshotRequest {
            snapshotter: container.snapshotter.clone(),
            key: container.snapshot_key.clone(),
        };
        let response: Option<StatSnapshotResponse> =
            self.call("containerd.services.snapshots.v1.Snapshots/Stat", &request).await?;
        let info = response.and_then(|response| response.info);
        Ok(info.and_then(|info| info.parent.parse().ok()))
    }

    /// One unary call; `None` if containerd says that there is no such thing.
    async fn call<T: Message + Default>(
        &self,
        method: &str,
        message: &impl Message,
    ) -> Result<Option<T>, String> {
        let failed = |problem: String| format!("{method}: {problem}");
        let request = http::Request::post(format!("http://containerd/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("containerd-namespace", &self.namespace)
            .body(())
            .map_err(|error| failed(error.to_string()))?;
        let broken = |error: h2::Error| failed(error.to_string());
        let mut sender = self.sender.clone().ready().await.map_err(broken)?;
        let (response, mut body) = sender.send_request(request, false).map_err(broken)?;
        body.send_data(framed(message), true).map_err(broken)?;
        let (head, mut stream) = response.await.map_err(broken)?.into_parts();
        let mut answer = BytesMut::new();
        while let Some(chunk) = stream.data().await {
            let chunk = chunk.map_err(broken)?;
            if answer.len() + chunk.len() > limits::CONTAINERD_ANSWER_BYTES {
                return Err(failed("the answer is too large".to_owned()));
            }
            answer.extend_from_slice(&chunk);
            stream.flow_control().release_capacity(chunk.len()).map_err(broken)?;
        }
        let trailers = stream.trailers().await.map_err(broken)?.unwrap_or(head.headers);
        let text = |name| trailers.get(name).and_then(|value| value.to_str().ok());
        match text("grpc-status") {
            Some("0") => unframed(&answer).map(Some).map_err(failed),
            Some(NOT_FOUND) => Ok(None),
            status => {
                let problem = text("grpc-message").unwrap_or("no reason given");
                Err(failed(format!("status {}: {problem}", status.unwrap_or("none"))))
            }
        }
    }
}

/// A message as gRPC sends it: not compressed, its length, its bytes.
fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(length + 5);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    frame.extend_from_slice(&message.encode_to_vec());
    frame.freeze()
}

fn unframed<T: Message + Default>(frame: &[u8]) -> Result<T, String> {
    let (head, message) = frame.split_at_checked(5).ok_or("the answer is cut short")?;
    let length = head.get(1..).and_then(|length| <[u8; 4]>::try_from(length).ok());
    let length = length.map_or(0, u32::from_be_bytes) as usize;
    if head.first() != Some(&0) || length != message.len() {
        return Err("the answer is not one plain message".to_owned());
    }
    T::decode(message).map_err(|error| error.to_string())
}

#[derive(PartialEq, Message)]
struct GetContainerRequest {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(PartialEq, Message)]
struct GetContainerResponse {
    #[prost(message, optional, tag = "1")]
    container: Option<Container>,
}

#[derive(PartialEq, Message)]
struct Container {
    #[prost(map = "string, string", tag = "2")]
    labels: HashMap<String, String>,
    #[prost(string, tag = "3")]
    image: String,
    #[prost(string, tag = "6")]
    snapshotter: String,
    #[prost(string, tag = "7")]
    snapshot_key: String,
    #[prost(message, optional, tag = "8")]
    created_at: Option<Timestamp>,
    #[prost(map = "string, message", tag = "10")]
    extensions: HashMap<String, Any>,
}

#[derive(PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(PartialEq, Message)]
struct Any {
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(PartialEq, Message)]
struct StatSnapshotRequest {
    #[prost(string, tag = "1")]
    snapshotter: String,
    #[prost(string, tag = "2")]
    key: String,
}

#[derive(PartialEq, Message)]
struct StatSnapshotResponse {
    #[prost(message, optional, tag = "1")]
    info: Option<SnapshotInfo>,
}

#[derive(PartialEq, Message)]
struct SnapshotInfo {
    #[prost(string, tag = "2")]
    parent: String,
}

#[derive(PartialEq, Message)]
struct ListImagesRequest {}

#[derive(PartialEq, Message)]
struct ListImagesResponse {
    #[prost(message, repeated, tag = "1")]
    images: Vec<Image>,
}

#[derive(PartialEq, Message)]
struct Image {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "3")]
    target: Option<Target>,
    #[prost(message, optional, tag = "8")]
    updated_at: Option<Timestamp>,
}

#[derive(PartialEq, Message)]
struct Target {
    #[prost(string, tag = "2")]
    digest: String,
}
