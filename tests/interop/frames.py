"""Kafka frames made by hand, right and wrong ones: Produce v7, ListOffsets v1, ApiVersions, batches v2."""
import socket
import struct


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _entry(value):
    for _ in range(8):
        value = (value >> 1) ^ 0x82F63B78 if value & 1 else value >> 1
    return value


_TABLE = [_entry(value) for value in range(256)]


def varint(value):
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def string(text):
    return struct.pack(">h", len(text)) + text.encode()


def batch(values, crc_xor=0, count=None, attributes=0, magic=2):
    """A record batch v2 of `values` without keys; `crc_xor`, `count` and the rest make it wrong."""
    records = b""
    for delta, value in enumerate(values):
        body = b"\0" + varint(0) + varint(delta) + varint(-1) + varint(len(value)) + value + varint(0)
        records += varint(len(body)) + body
    last = len(values) - 1
    covered = struct.pack(
        ">hiqqqhii", attributes, last, 1_700_000_000_000, 1_700_000_000_000, -1, -1, -1,
        len(values) if count is None else count,
    ) + records
    head = struct.pack(">ibI", -1, magic, crc32c(covered) ^ crc_xor)
    return struct.pack(">qi", 0, len(head) + len(covered)) + head + covered


def request(api, version, body=b"", correlation=1):
    """A whole frame with header version 1."""
    content = struct.pack(">hhi", api, version, correlation) + string("interop") + body
    return struct.pack(">i", len(content)) + content


def produce(topic, records, acks=-1, partition=0, correlation=1):
    body = struct.pack(">hhi", -1, acks, 10_000) + struct.pack(">i", 1) + string(topic)
    body += struct.pack(">iii", 1, partition, len(records)) + records
    return request(0, 7, body, correlation)


def end_offset_request(topic, partition=0):
    body = struct.pack(">ii", -1, 1) + string(topic) + struct.pack(">iiq", 1, partition, -1)
    return request(2, 1, body)


class Connection:
    """A socket that sends frames and reads replies."""

    def __init__(self, bootstrap, seconds=10):
        host, port = bootstrap.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data):
        self.socket.sendall(data)

    def reply(self):
        """The next reply without its length; None when the server closed the connection."""
        size = self._read(4)
        return None if size is None else self._read(struct.unpack(">i", size)[0])

    def _read(self, size):
        data = b""
        while len(data) < size:
            try:
                chunk = self.socket.recv(size - len(data))
            except ConnectionResetError:
                return None
            if not chunk:
                return None
            data += chunk
        return data

    def produce(self, topic, records, partition=0):
        """Error code and base offset of a Produce request; None when the connection was closed."""
        self.send(produce(topic, records, partition=partition))
        answer = self.reply()
        if answer is None:
            return None
        at = 4 + 4 + 2 + len(topic) + 4 + 4
        return struct.unpack_from(">hq", answer, at)

    def end_offset(self, topic, partition=0):
        self.send(end_offset_request(topic, partition))
        answer = self.reply()
        at = 4 + 4 + 2 + len(topic) + 4 + 4
        error, _, offset = struct.unpack_from(">hqq", answer, at)
        assert error == 0, f"ListOffsets error {error}"
        return offset

    def close(self):
        self.socket.close()
