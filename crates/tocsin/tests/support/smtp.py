#!/usr/bin/env python3
"""A mail server for one test: STARTTLS and AUTH must come before mail. Each mail is a line of JSON on standard output,
the first line is the port. Arguments: certificate, key."""
import base64
import email
import email.policy
import json
import socketserver
import ssl
import sys

CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
CONTEXT.load_cert_chain(sys.argv[1], sys.argv[2])


class Handler(socketserver.StreamRequestHandler):
    def say(self, *lines):
        for i, line in enumerate(lines):
            self.wfile.write(f"{line[:3]}{' ' if i == len(lines) - 1 else '-'}{line[4:]}\r\n".encode())
        self.wfile.flush()

    def hear(self):
        return self.rfile.readline().decode().rstrip("\r\n")

    def handle(self):
        tls, user, sender, to = False, None, None, []
        self.say("220 test")
        while line := self.hear():
            word = line.split(" ")[0].upper()
            if word == "EHLO":
                self.say("250 test", "250 AUTH PLAIN LOGIN" if tls else "250 STARTTLS")
            elif word == "STARTTLS":
                self.say("220 go on")
                self.request = CONTEXT.wrap_socket(self.request, server_side=True)
                self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb")
                tls = True
            elif word == "AUTH" and tls:
                how, first = (line.split(" ") + ["", ""])[1:3]
                if how.upper() == "PLAIN":
                    if not first:
                        self.say("334 ")
                        first = self.hear()
                    _, user, password = base64.b64decode(first).decode().split("\0")
                else:
                    if not first:
                        self.say("334 VXNlcm5hbWU6")
                        first = self.hear()
                    self.say("334 UGFzc3dvcmQ6")
                    user, password = base64.b64decode(first).decode(), base64.b64decode(self.hear()).decode()
                good = password == "secret"
                self.say("235 welcome" if good else "535 no")
                user = user if good else None
            elif word == "MAIL":
                if user is None:
                    self.say("530 who are you?")
                    continue
                sender, to = line.split("<")[1].split(">")[0], []
                self.say("250 ok")
            elif word == "RCPT":
                to.append(line.split("<")[1].split(">")[0])
                self.say("250 ok")
            elif word == "DATA":
                self.say("354 go on")
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line[1:] if line.startswith(b"..") else line)
                mail = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
                text = mail.get_body(("plain",)).get_content()
                told = {"user": user, "sender": sender, "to": to, "text": text}
                told.update({name: mail[name] for name in ("From", "To", "Subject")})
                print(json.dumps(told), flush=True)
                self.say("250 taken")
            elif word == "QUIT":
                self.say("221 bye")
                return
            elif word in ("RSET", "NOOP"):
                self.say("250 ok")
            else:
                self.say("500 what?")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


with Server(("127.0.0.1", 0), Handler) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
