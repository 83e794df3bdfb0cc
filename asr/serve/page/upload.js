/* A file to the server, and its answer line by line. */

/* Calls tell.sent(share), tell.progress, tell.segment and tell.done (lines of the answer), or tell.error({message, code}). */
export function send(file, key, tell) {
  const request = new XMLHttpRequest(); // unlike fetch, it says how much is sent
  let seen = 0;
  let ended = false;

  const fail = (error) => {
    if (!ended) tell.error(error);
    ended = true;
  };

  function lines() {
    if (request.status !== 200) return;
    const until = request.responseText.lastIndexOf("\n") + 1;
    const fresh = request.responseText.slice(seen, until);
    seen = until;
    for (const line of fresh.split("\n").filter(Boolean)) {
      const { event, ...what } = JSON.parse(line);
      if (event === "error") fail(what.error);
      else if (!ended) tell[event](what);
      if (event === "done") ended = true;
    }
  }

  function failure() {
    try {
      return JSON.parse(request.responseText).error;
    } catch {
      return { message: `The server answered with ${request.status}: is there a proxy in between?` };
    }
  }

  request.upload.onprogress = (event) => { if (event.lengthComputable) tell.sent(event.loaded / event.total); };
  request.upload.onload = () => tell.sent(1);
  request.onprogress = lines;
  request.onload = () => {
    lines();
    fail(request.status === 200 ? { message: "The answer broke off. Try again." } : failure());
  };
  request.onerror = () => fail({ message: "The server cannot be reached. Try again when it is there." });
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
