"""A certificate that nobody vouches for ends a download at once, in words that name it."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sidecar.contract.config import DownloadsConfig
from sidecar.contract.errors import DownloadFailed
from sidecar.library.downloads.answers import Source
from sidecar.library.downloads.web import Web
from sidecar.library.hub.api import Hub
from sidecar.library.hub.token import TokenSource
from tests.config_files import config_file


def certificate(folder: Path) -> ssl.SSLContext:
    """Of a server that has signed it itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    day = datetime.timedelta(days=1)
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@pytest.mark.anyio
async def test_a_certificate_that_no_authority_has_signed_is_refused(tmp_path: Path) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=certificate(tmp_path))
    tokens = TokenSource()
    config = config_file(downloads=DownloadsConfig(allow_private_addresses=True))
    web = Web(config, Hub(config, tokens), tokens)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(DownloadFailed, match="certificate"):
            await web.find(Source(f"https://127.0.0.1:{port}/a.gguf"))
    await web.aclose()
