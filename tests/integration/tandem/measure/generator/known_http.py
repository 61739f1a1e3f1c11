"""An HTTP/1.1 server of OpenAI's completions whose failures are known.

`python -m tests.integration.tandem.measure.generator.known_http BEHAVIOUR` prints its port and serves. BEHAVIOUR is
JSON: `first` and `gap`, seconds to the first token and between two; `usage`, whether the stream tells of it (true);
`status`, of a reply that is an error; `tear`, tokens after which a stream breaks off; `fail`, after which it tells of
an error; `tokens`, how many each event has (1), `close`, whether the connection ends with each reply. Threads sleep to
absolute instants; an event is written in two pieces, so that a client has to put it together. Shares no code with the
load generator.
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BEHAVIOUR = {"first": 0.0, "gap": 0.0, "usage": True, "status": 200, "tokens": 1}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        return self._whole(200, {"data": [{"id": "known", "object": "model"}, {"id": "another", "object": "model"}]})

    def do_POST(self):
        began_at = time.monotonic()
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if BEHAVIOUR["status"] != 200:
            return self._whole(BEHAVIOUR["status"], {"error": {"message": "not now", "code": None}})
        count = body["max_tokens"]
        usage = {"prompt_tokens": len(body["prompt"].split()), "completion_tokens": count}
        if body.get("stream"):
            assert body["stream_options"] == {"include_usage": True}
            return self._stream(began_at, count, usage)
        self._sleep_until(began_at + BEHAVIOUR["first"] + BEHAVIOUR["gap"] * (count - 1))
        return self._whole(200, {"choices": [{"text": " x" * count}], "usage": usage})

    def _stream(self, began_at, count, usage):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self._event({"choices": [{"text": ""}]})  # a frame without text is no first output
        tokens = BEHAVIOUR["tokens"]
        for number in range(0, count, tokens):
            self._sleep_until(began_at + BEHAVIOUR["first"] + BEHAVIOUR["gap"] * (number // tokens))
            if number == BEHAVIOUR.get("tear"):
                self.close_connection = True
                return
            if number == BEHAVIOUR.get("fail"):
                self._event({"error": {"message": "the model is gone", "code": 503}})
                break
            self._event({"choices": [{"text": " x" * min(tokens, count - number)}]})
        if BEHAVIOUR["usage"]:
            self._event({"choices": [], "usage": usage})
        self._chunk(b": a comment\n\ndata: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")
        self.close_connection = self.close_connection or bool(BEHAVIOUR.get("close"))

    def _event(self, value):
        raw = b"data: %s\r\n\r\n" % json.dumps(value).encode()
        self._chunk(raw[:10])
        self._chunk(raw[10:])

    def _chunk(self, raw):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(raw), raw))
        self.wfile.flush()

    def _whole(self, status, value):
        raw = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    @staticmethod
    def _sleep_until(instant):
        time.sleep(max(0.0, instant - time.monotonic()))

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 512


def main() -> None:
    BEHAVIOUR.update(json.loads(sys.argv[1]))
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever).start()


if __name__ == "__main__":
    main()
