/* Upload a file, and read the response line by line. */

const UNREACHABLE = "The server cannot be reached. Try again later.";
const UNREADABLE = "The file cannot be read: it is a folder, or was changed or moved. Choose it again.";

/* Upload a file. `handlers`: `sent` is called with the share that is sent, once with 1; `progress`, `segment` and `done` with the lines of the
 * response (see page_routes.py); `error` with the `message` and the `code` of an error. Returns an object whose `stop` ends the request. */
export function send(file, key, handlers) {
  const request = new XMLHttpRequest(); // unlike fetch, it reports the progress of an upload
  let seen = 0;
  let ended = false;

  const fail = (error) => {
    if (!ended) handlers.error(error);
    ended = true;
  };

  function lines() {
    if (request.status !== 200) return;
    const until = request.responseText.lastIndexOf("\n") + 1;
    const complete = request.responseText.slice(seen, until).split("\n").filter(Boolean);
    seen = until;
    for (const line of complete) {
      const { event, ...fields } = JSON.parse(line);
      if (event === "error") fail(fields.error);
      else if (!ended) handlers[event](fields);
      if (event === "done") ended = true;
    }
  }

  function failure() {
    try {
      return JSON.parse(request.responseText).error;
    } catch {
      return { message: `The server responded with status ${request.status}: check the proxy in front of it.` };
    }
  }

  request.upload.onprogress = ({ loaded, total }) => { if (loaded < total) handlers.sent(loaded / total); };
  request.upload.onload = () => handlers.sent(1);
  request.onprogress = lines;
  request.onload = () => {
    lines();
    fail(request.status === 200 ? { message: "The response was interrupted. Try again." } : failure());
  };
  request.onerror = async () => fail({ message: (await canRead(file)) ? UNREACHABLE : UNREADABLE });
  request.open("POST", "page/transcription");
  if (key) request.setRequestHeader("Authorization", `Bearer ${key}`);
  const form = new FormData();
  form.append("file", file, file.name);
  request.send(form);
  return {
    stop() {
      ended = true;
      request.abort();
    },
  };
}

async function canRead(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
