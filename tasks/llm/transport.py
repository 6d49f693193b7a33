"""The connection pool of a provider: aiohttp, one session, spoken to as an httpx transport by its SDK.

The SDKs' own pool scans its connections at every request, which at hundreds in flight costs more than the request. The
SDKs' aiohttp transport hands a reply over in chunks and reports a closed connection as a failed connect; this reads
a reply whole, up to a limit, and keeps the kinds of failure apart.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.request import getproxies

import aiohttp
import httpx2
from aiohttp.abc import AbstractCookieJar
from yarl import URL

# No answer of a model and no file of batch results is longer; a server that sends more is broken or hostile.
MAX_REPLY_BYTES = 256 * 1024 * 1024
KEEPALIVE_S = 30.0

Headers = Mapping[str, str] | Sequence[tuple[str, str]]


class ReplyTooLong(httpx2.ReadError):
    """The server sends more than any answer is long."""


class PooledTransport(httpx2.AsyncBaseTransport):
    """One aiohttp session, opened at the first request. What is in flight is bounded by the caller, not here."""

    def __init__(self, max_reply_bytes: int = MAX_REPLY_BYTES) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._max_reply_bytes = max_reply_bytes

    async def exchange(
        self,
        method: str,
        url: URL,
        headers: Headers,
        body: bytes | None,
        connect_s: float | None,
        read_s: float | None,
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """Send one request and read the reply whole; `read_s` is the longest silence. Redirects and cookies are left
        alone. Raises httpx2's TransportErrors."""
        if self._session is None:
            self._session = self._open()
        try:
            async with self._session.request(
                method,
                url,
                headers=headers,
                data=body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(sock_connect=connect_s, sock_read=read_s),
            ) as reply:
                return reply, await self._whole(reply)
        except aiohttp.ConnectionTimeoutError as error:
            raise httpx2.ConnectTimeout(str(error)) from error
        except (aiohttp.ServerTimeoutError, TimeoutError) as error:
            raise httpx2.ReadTimeout(str(error)) from error
        except aiohttp.ClientConnectorError as error:
            raise httpx2.ConnectError(str(error)) from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise httpx2.UnsupportedProtocol(str(error)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise httpx2.ReadError(f"{type(error).__name__}: {error}") from error

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The same for the SDKs' client."""
        limits: dict[str, Any] = request.extensions.get("timeout", {})
        reply, body = await self.exchange(
            request.method,
            URL(str(request.url), encoded=True),
            request.headers.multi_items(),
            await request.aread() or None,
            limits.get("connect"),
            limits.get("read"),
        )
        # Decompressed already, so what the headers say of encoding and length no longer holds.
        headers = [
            (name, value)
            for name, value in reply.raw_headers
            if name.lower() not in (b"content-encoding", b"transfer-encoding", b"content-length")
        ]
        return httpx2.Response(reply.status, headers=headers, content=body, request=request)

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _whole(self, reply: aiohttp.ClientResponse) -> bytes:
        chunks, size = [], 0
        async for chunk in reply.content.iter_any():
            size += len(chunk)
            if size > self._max_reply_bytes:
                raise ReplyTooLong(f"the reply is longer than {self._max_reply_bytes} bytes")
            chunks.append(chunk)
        return b"".join(chunks)

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=KEEPALIVE_S,
            ssl=httpx2.create_ssl_context(),
            ttl_dns_cache=300,
            socket_factory=_socket,
        )
        jar: AbstractCookieJar = aiohttp.DummyCookieJar()
        # Where no proxy is set, looking for one at every request would cost as much as sending it.
        proxied = bool(getproxies())
        return aiohttp.ClientSession(connector=connector, cookie_jar=jar, trust_env=proxied)


def _socket(address: Any) -> socket.socket:
    """A socket whose idle connection is probed: answers take minutes, and a middlebox may forget the connection."""
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 5)):
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
