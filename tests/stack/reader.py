#!/usr/bin/env python3
"""A Matrix client that reads encrypted rooms, for the tests: matrix-nio with vodozemac, so none of the relay's own code.

Guarantees: what it prints was decrypted by keys that came to its device, or says why it could not be. It logs in on a device of
its own and ends with the end of its standard input.

    reader.py BASE_URL USER PASSWORD DEVICE_ID STORE

It prints `{"ready": …}` and then obeys lines of JSON, each answered by one line:
    {"read": ROOM}              all events of the room so far: [{"id", "type", "sender", "content", "error"}]
    {"vouched": [USER, DEVICE]} whether the user's cross-signing keys, as published, have signed the device
    {"sign": KEYS}              makes and publishes cross-signing keys of its own user, and signs its own device; KEYS are
                                ["master", "self_signing", "user_signing"], and clients publish all of them
    {"replace": KEYS}           the same where there are some already, by its password
"""

import asyncio
import base64
import json
import os
import sys

import aiohttp
import nio
import vodozemac
from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

KEYS = "/_matrix/client/v3/keys"
# What comes between two reads must fit into one answer; Synapse gives at most 100 events.
WHOLE_TIMELINE = {"room": {"timeline": {"limit": 100}}}


def canonical(signed):
    bare = {key: value for key, value in signed.items() if key not in ("signatures", "unsigned")}
    return json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def is_signed(thing, user, key):
    signature = thing.get("signatures", {}).get(user, {}).get(f"ed25519:{key}")
    if signature is None:
        return False
    try:
        vodozemac.Ed25519PublicKey.from_base64(key).verify_signature(
            canonical(thing), vodozemac.Ed25519Signature.from_base64(signature)
        )
    except vodozemac.SignatureException:
        return False
    return True


def only(keys):
    return next(iter(keys.values()))


class Reader:
    def __init__(self, base_url, user, password, device, store):
        os.makedirs(store, exist_ok=True)
        config = nio.AsyncClientConfig(store_sync_tokens=True, encryption_enabled=True)
        self.base_url = base_url
        self.password = password
        self.client = nio.AsyncClient(base_url, user, device_id=device, store_path=store, config=config)
        self.rooms = {}
        self.client.add_event_callback(self.hear, nio.Event)

    async def start(self):
        answer = await self.client.login(self.password)
        assert isinstance(answer, nio.LoginResponse), answer
        await self.sync()

    async def hear(self, room, event):
        source = event.source
        if any(heard["id"] == event.event_id for heard in self.rooms.get(room.room_id, [])):
            # Who comes back into a room gets what it has seen once more.
            return
        heard = {
            "id": event.event_id,
            "type": source["type"],
            "sender": event.sender,
            "content": source["content"],
            "error": None,
        }
        # nio keeps what it decrypted; what it could not has the type of the envelope.
        if isinstance(event, nio.MegolmEvent):
            heard["error"] = f"not decrypted (session {event.session_id})"
        heard["encrypted"] = bool(getattr(event, "decrypted", False))
        self.rooms.setdefault(room.room_id, []).append(heard)

    async def sync(self):
        is_first = not self.client.next_batch
        answer = await self.client.sync(timeout=0, sync_filter=WHOLE_TIMELINE)
        assert isinstance(answer, nio.SyncResponse), answer
        gaps = [room for room, joined in answer.rooms.join.items() if self.is_gap(joined.timeline)]
        assert is_first or not gaps, f"events were left out of {gaps}"
        if self.client.should_upload_keys:
            await self.client.keys_upload()
        if self.client.should_query_keys:
            await self.client.keys_query()

    def is_gap(self, timeline):
        def is_own_join(event):
            is_own = isinstance(event, nio.RoomMemberEvent) and event.state_key == self.client.user_id
            return is_own and event.membership == "join"

        # What was before one came was not to be seen.
        return timeline.limited and not any(is_own_join(event) for event in timeline.events)

    async def call(self, path, body):
        headers = {"Authorization": f"Bearer {self.client.access_token}"}
        async with aiohttp.ClientSession() as session:
            async with session.post(self.base_url + path, json=body, headers=headers) as answer:
                return await answer.json()

    async def vouched(self, user, device):
        held = await self.call(f"{KEYS}/query", {"device_keys": {user: []}})
        try:
            master, signing = held["master_keys"][user], held["self_signing_keys"][user]
            keys = held["device_keys"][user][device]
        except KeyError:
            return False
        return is_signed(signing, user, only(master["keys"])) and is_signed(keys, user, only(signing["keys"]))

    async def sign(self, usages, replaces=False):
        user, device = self.client.user_id, self.client.device_id
        secret = {usage: ECC.generate(curve="ed25519") for usage in usages}
        public = {
            usage: base64.b64encode(key.public_key().export_key(format="raw")).decode().rstrip("=")
            for usage, key in secret.items()
        }

        def sign(thing, usage):
            made = eddsa.new(secret[usage], "rfc8032").sign(canonical(thing))
            signature = base64.b64encode(made).decode().rstrip("=")
            thing.setdefault("signatures", {}).setdefault(user, {})[f"ed25519:{public[usage]}"] = signature
            return thing

        keys = {
            usage: {"user_id": user, "usage": [usage], "keys": {f"ed25519:{key}": key}} for usage, key in public.items()
        }
        for usage in usages[1:]:
            sign(keys[usage], "master")
        published = {f"{usage}_key": keys[usage] for usage in usages}
        answer = await self.call(f"{KEYS}/device_signing/upload", published)
        if replaces:
            who = {"type": "m.id.user", "user": user}
            approval = {"type": "m.login.password", "identifier": who, "password": self.password}
            approved = published | {"auth": approval | {"session": answer["session"]}}
            answer = await self.call(f"{KEYS}/device_signing/upload", approved)
        assert answer == {}, answer
        held = await self.call(f"{KEYS}/query", {"device_keys": {user: [device]}})
        own = held["device_keys"][user][device]
        own.pop("unsigned", None)
        answer = await self.call(f"{KEYS}/signatures/upload", {user: {device: sign(own, "self_signing")}})
        assert not answer.get("failures"), answer

    async def obey(self, command):
        if "read" in command:
            await self.sync()
            return self.rooms.get(command["read"], [])
        if "vouched" in command:
            return await self.vouched(*command["vouched"])
        if "sign" in command:
            return await self.sign(command["sign"])
        if "replace" in command:
            return await self.sign(command["replace"], replaces=True)
        raise ValueError(command)


async def main():
    reader = Reader(*sys.argv[1:])
    await reader.start()
    print(json.dumps({"ready": reader.client.device_id}), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps({"answer": await reader.obey(json.loads(line))}), flush=True)
    await reader.client.close()


asyncio.run(main())
