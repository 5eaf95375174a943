#!/usr/bin/env python3
"""Runs a real Synapse on loopback for the tests and for trying the relay by hand.

Guarantees: needs no internet; when the ready line appears, a bot, a person and an administrator are logged in on devices
of their own and the rooms exist; when this process ends, however it ends, its homeserver has ended too.
Deliberately not a deployment: no federation, no TLS, SQLite, the cheapest password hash there is.

Run it with the Python of the virtual environment that holds Synapse; this file itself uses the standard library only.

    synapse.py run --dir DIR [--port N] [--default-limits] [--delayed-events] [--pretty]

It prints one line of JSON when ready (a page for people with --pretty) and then obeys lines on standard input, each
answered by one line: `stop` → stopped, `start` → started, `pause` → paused (connections hang), `resume` → resumed.
The end of standard input, SIGTERM or SIGINT ends it. The same DIR again gives the same users, rooms and tokens.
"""

import argparse
import base64
import contextlib
import ctypes
import hashlib
import hmac
import json
import os
import pathlib
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

HOST = "127.0.0.1"
SERVER_NAME = "relay.test"
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 20
UNLIMITED = {"per_second": 1_000_000, "burst_count": 1_000_000}
# Names and device ids are fixed: a transaction ID belongs to a device, so tests can log in again and repeat a send.
USERS = {"bot": "RELAYBOT", "person": "PERSON", "admin": "ADMIN"}


class SetupError(Exception):
    """The homeserver cannot be brought up; the text says why and where to look."""


# --- configuration -------------------------------------------------------------------------------------------------


def config(folder, port, options):
    """The homeserver's settings. Synapse reads YAML, and JSON is YAML."""
    settings = {
        "server_name": SERVER_NAME,
        "public_baseurl": f"http://{HOST}:{port}/",
        "report_stats": False,
        "pid_file": str(folder / "homeserver.pid"),
        "listeners": [
            {"port": port, "bind_addresses": [HOST], "type": "http", "tls": False, "resources": [{"names": ["client"]}]}
        ],
        "database": {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}},
        "media_store_path": str(folder / "media"),
        "signing_key_path": str(folder / "signing.key"),
        "log_config": str(folder / "log.json"),
        "registration_shared_secret_path": str(folder / "registration.secret"),
        "macaroon_secret_key": secrets.token_hex(16),
        "form_secret": secrets.token_hex(16),
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "federation_domain_whitelist": [],
        "url_preview_enabled": False,
        "presence": {"enabled": False},
        "enable_registration": False,
        "bcrypt_rounds": 4,
        # Setting up needs more logins, joins and rooms than the limits of a public server allow.
        "rc_registration": UNLIMITED,
        "rc_login": {"address": UNLIMITED, "account": UNLIMITED, "failed_attempts": UNLIMITED},
        "rc_joins": {"local": UNLIMITED, "remote": UNLIMITED},
        "rc_joins_per_room": UNLIMITED,
        "rc_invites": {"per_room": UNLIMITED, "per_user": UNLIMITED, "per_issuer": UNLIMITED},
        "rc_room_creation": UNLIMITED,
        "rc_admin_redaction": UNLIMITED,
    }
    if options.delayed_events:
        settings["max_event_delay_duration"] = "24h"
    if not options.default_limits:
        settings["rc_message"] = UNLIMITED
    return settings


def log_config(folder):
    """Warnings to a file: the log at Synapse's default level costs a third of its speed."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s - %(message)s"}},
        "handlers": {
            "file": {"class": "logging.FileHandler", "formatter": "line", "filename": str(folder / "homeserver.log")}
        },
        "root": {"level": "WARNING", "handlers": ["file"]},
    }


def write_files(folder, port, options):
    """Writes what Synapse reads at start; keys and secrets only once, because the data belong to them."""
    folder.mkdir(parents=True, exist_ok=True)
    write_once(folder / "registration.secret", secrets.token_hex(16))
    # The format of a signing key: algorithm, version, unpadded base64 of a 32 byte seed. Writing it here saves the
    # second or two of a separate `--generate-keys` run.
    seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    write_once(folder / "signing.key", f"ed25519 a_relay {seed}\n")
    (folder / "log.json").write_text(json.dumps(log_config(folder)))
    settings = config(folder, port, options)
    path = folder / "homeserver.json"
    if path.exists():
        before = json.loads(path.read_text())
        settings["macaroon_secret_key"] = before["macaroon_secret_key"]
        settings["form_secret"] = before["form_secret"]
    path.write_text(json.dumps(settings, indent=2))


def write_once(path, text):
    if not path.exists():
        path.write_text(text)
        path.chmod(0o600)


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


# --- the process ---------------------------------------------------------------------------------------------------


def die_with_parent():
    """In the child, before it becomes Synapse: the kernel kills it when this process dies, even of SIGKILL."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    # Ctrl-C in the terminal goes to the whole group; stopping Synapse in order is this script's job.
    os.setsid()


class Homeserver:
    """One Synapse process on a fixed port and data folder, which can be stopped and started again."""

    def __init__(self, folder, port, options):
        self.folder = folder
        self.port = port
        self.base_url = f"http://{HOST}:{port}"
        self.process = None
        write_files(folder, port, options)

    def start(self):
        if self.process is not None:
            return
        command = [sys.executable, "-m", "synapse.app.homeserver", "-c", str(self.folder / "homeserver.json")]
        with open(self.folder / "output.log", "ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=die_with_parent,
            )
        self.wait_until_ready()

    def wait_until_ready(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            code = self.process.poll()
            if code is not None:
                self.process = None
                raise SetupError(f"Synapse ended with code {code} while starting: {self.last_output()}")
            try:
                call("GET", f"{self.base_url}/_matrix/client/versions", timeout=2)
                return
            # An error may be the answer of another server, which took the port first; then Synapse ends by itself.
            except (OSError, SetupError):
                time.sleep(0.05)
        self.stop()
        raise SetupError(f"Synapse was not ready after {START_TIMEOUT_S} s: {self.last_output()}")

    def last_output(self):
        """The end of both logs, the likeliest place of the reason."""
        tail = ""
        for name in ("output.log", "homeserver.log"):
            path = self.folder / name
            if path.exists():
                tail += path.read_text(errors="replace")[-1500:]
        return tail.strip() or f"no output; see {self.folder}"

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def signal(self, number):
        if self.process is not None:
            self.process.send_signal(number)


# --- users and rooms -----------------------------------------------------------------------------------------------


def call(method, url, body=None, token=None, timeout=30):
    """One JSON request; an error status raises with the server's own words."""
    request = urllib.request.Request(url, method=method)
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    data = None if body is None else json.dumps(body).encode()
    # A proxy of the environment must never see requests to loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, data, timeout=timeout) as response:
            return json.loads(response.read() or b"{}")
    except urllib.error.HTTPError as error:
        raise SetupError(f"{method} {url}: {error.code} {error.read().decode(errors='replace')}") from error


def register(base_url, secret, name, password, admin):
    """Makes a user through the shared-secret endpoint, whose request is signed with an HMAC over its fields."""
    url = f"{base_url}/_synapse/admin/v1/register"
    nonce = call("GET", url)["nonce"]
    role = "admin" if admin else "notadmin"
    mac = hmac.new(secret.encode(), "\0".join([nonce, name, password, role]).encode(), hashlib.sha1).hexdigest()
    body = {"nonce": nonce, "username": name, "password": password, "admin": admin, "mac": mac, "inhibit_login": True}
    call("POST", url, body)


def log_in(base_url, name, password, device_id):
    """A password login on a device of a fixed name: only such a token makes repeated transaction IDs safe."""
    answer = call(
        "POST",
        f"{base_url}/_matrix/client/v3/login",
        {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": name},
            "password": password,
            "device_id": device_id,
            "initial_device_display_name": f"grafana-matrix-relay test stack: {name}",
        },
    )
    return {key: answer[key] for key in ("user_id", "access_token", "device_id")} | {"password": password}


def make_users(base_url, secret):
    users = {}
    for name, device_id in USERS.items():
        password = secrets.token_urlsafe(9)
        register(base_url, secret, name, password, admin=name == "admin")
        users[name] = log_in(base_url, name, password, device_id)
    return users


@contextlib.contextmanager
def without_limit(base_url, users, name):
    """Lifts one user's message limit for a while: a join counts as a message, and tests want all ten of the burst."""
    url = f"{base_url}/_synapse/admin/v1/users/{users[name]['user_id']}/override_ratelimit"
    call("POST", url, {"messages_per_second": 0, "burst_count": 0}, users["admin"]["access_token"])
    yield
    call("DELETE", url, token=users["admin"]["access_token"])


def make_rooms(base_url, users):
    """One room of each kind, all of them the person's."""
    bot = users["bot"]["user_id"]

    def create(**options):
        request = {"preset": "private_chat", "invite": [bot]} | options
        url = f"{base_url}/_matrix/client/v3/createRoom"
        return {"room_id": call("POST", url, request, users["person"]["access_token"])["room_id"]}

    encryption = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
    rooms = {
        # Version 12 has room IDs without a domain, version 11 with one: both spellings are tried.
        "default": create(
            name="Alerts", preset="public_chat", visibility="public", room_alias_name="alerts", room_version="12"
        ),
        "second": create(name="More alerts", room_version="11"),
        "invited": create(name="Bot is invited, not joined"),
        "readonly": create(name="Bot may not send", power_level_content_override={"events_default": 50}),
        "encrypted": create(name="Encrypted", initial_state=[encryption]),
    }
    rooms["default"]["alias"] = f"#alerts:{SERVER_NAME}"
    for name, room in rooms.items():
        if name != "invited":
            join = f"{base_url}/_matrix/client/v3/join/{urllib.parse.quote(room['room_id'])}"
            call("POST", join, {}, users["bot"]["access_token"])
    return rooms


def stack(server):
    """What the tests get to know. Made once per data folder and kept beside it."""
    path = server.folder / "stack.json"
    if path.exists():
        made = json.loads(path.read_text())
    else:
        secret = (server.folder / "registration.secret").read_text()
        users = make_users(server.base_url, secret)
        with without_limit(server.base_url, users, "bot"):
            made = users | {"rooms": make_rooms(server.base_url, users)}
        path.write_text(json.dumps(made))
        path.chmod(0o600)
    return {"base_url": server.base_url, "server_name": SERVER_NAME} | made


# --- talking to whoever started this -------------------------------------------------------------------------------


def pretty(made):
    """The ready page for people: an .env to paste, and where to look at the rooms."""
    rooms = "\n".join(f"#   {name:10} {room['room_id']}" for name, room in made["rooms"].items())
    person = made["person"]
    return f"""
# A Synapse is running at {made['base_url']} until you press Ctrl-C. This is an .env for the relay:
MATRIX_HOME_SERVER_URL={made['base_url']}
MATRIX_ACCESS_TOKEN={made['bot']['access_token']}
MATRIX_DEFAULT_ROOM='{made['rooms']['default']['alias']}'

# Rooms that can stand in MATRIX_DEFAULT_ROOM:
{rooms}
# Read the rooms as {person['user_id']}, password {person['password']}, in any Matrix client that accepts {made['base_url']},
# or with curl:
#   curl -H 'Authorization: Bearer {person['access_token']}' '{made['base_url']}/_matrix/client/v3/rooms/{urllib.parse.quote(made['rooms']['default']['room_id'])}/messages?dir=b'
# Administrator: {made['admin']['user_id']}, token {made['admin']['access_token']}
"""


def obey(server, stop_requested, outlives_input):
    """Runs commands until a signal comes, Synapse dies by itself, or the input ends (a person's `make stack` may have none)."""
    commands = {
        "stop": (server.stop, "stopped"),
        "start": (server.start, "started"),
        "pause": (lambda: server.signal(signal.SIGSTOP), "paused"),
        "resume": (lambda: server.signal(signal.SIGCONT), "resumed"),
    }
    inputs, pending = [0], b""
    while not stop_requested:
        if server.process is not None and server.process.poll() is not None:
            raise SetupError(f"Synapse ended by itself: {server.last_output()}")
        if not select.select(inputs, [], [], 0.5)[0]:
            continue
        chunk = os.read(0, 4096)
        if not chunk:
            if not outlives_input:
                return
            inputs = []
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            act, answer = commands.get(line.decode().strip(), (lambda: None, "unknown command"))
            act()
            print(answer, flush=True)


def start_on_a_port(folder, port, options):
    """Brings Synapse up; a port that another process took between choosing and binding is chosen anew."""
    for attempt in range(3):
        server = Homeserver(folder, port or free_port(), options)
        try:
            server.start()
            return server
        except SetupError as error:
            if port or attempt == 2 or "Address already in use" not in str(error):
                raise
    raise AssertionError("unreachable")


def run(arguments):
    stop_requested = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop_requested.append(True))
    server = start_on_a_port(pathlib.Path(arguments.dir).resolve(), arguments.port, arguments)
    try:
        made = stack(server)
        print(pretty(made) if arguments.pretty else json.dumps(made), flush=True)
        obey(server, stop_requested, arguments.pretty)
    finally:
        server.stop()


def main():
    parser = argparse.ArgumentParser(description="A real Synapse on loopback, for tests and for trying the relay.")
    command = parser.add_subparsers(dest="command", required=True).add_parser("run", help="run until told to stop")
    command.add_argument("--dir", required=True, help="data folder; used again if it exists")
    command.add_argument("--port", type=int, default=0, help="0 (the default) takes any free port")
    command.add_argument("--default-limits", action="store_true", help="keep Synapse's own message limit: 10, then 1 in 5 s")
    command.add_argument("--delayed-events", action="store_true", help="let accounts send delayed events (MSC4140)")
    command.add_argument("--pretty", action="store_true", help="print for people, not for programs")
    try:
        run(parser.parse_args())
    except SetupError as error:
        print(f"synapse.py: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
