"""Runs a command in a pseudo-terminal, as somebody sits at one, and prints what the terminal showed as one line of JSON.

Takes `words` (the command), `keys` (what is typed once a text is seen: [[text, keys], …], each once and in order) and, for
sign-ins with a browser, `cookie`: when the terminal shows an address with a code, that address is opened and its form is
sent with that cookie, as a browser would. Nothing of the command is patched.
"""

import html
import json
import os
import pty
import re
import select
import sys
import time
import urllib.parse
import urllib.request


def browse(address, cookie, answer):
    """Opens the address, and sends the form on it."""
    headers = {"Cookie": f"__Host-wb_sid={cookie}", "Accept": "text/html"}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    page = opener.open(urllib.request.Request(address, headers=headers), timeout=60).read().decode()
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
    fields = {name: html.unescape(value) for name, value in fields.items()} | {"answer": answer}
    url = urllib.parse.urlsplit(address)
    headers["Origin"] = f"{url.scheme}://{url.netloc}"
    headers["Sec-Fetch-Site"] = "same-origin"
    where = urllib.parse.urlunsplit(url._replace(query=""))
    sent = urllib.request.Request(where, urllib.parse.urlencode(fields).encode(), headers)
    return [page, opener.open(sent, timeout=60).read().decode()]


def main():
    wanted = json.loads(sys.argv[1])
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(wanted["words"][0], wanted["words"])
    seen, pages, keys = "", [], list(wanted.get("keys", []))
    address, ended = None, time.monotonic() + 150
    while time.monotonic() < ended:
        ready, _, _ = select.select([terminal], [], [], 1)
        if ready:
            try:
                some = os.read(terminal, 65536)
            except OSError:
                break
            if not some:
                break
            seen += some.decode(errors="replace")
        if keys and keys[0][0] in seen:
            time.sleep(0.2)
            os.write(terminal, keys.pop(0)[1].encode())
        found = re.search(r"(http://\S+user_code=[A-Z-]+)\s", seen)
        if found and address is None and "cookie" in wanted:
            address = found.group(1)
            pages = browse(address, wanted["cookie"], wanted.get("answer", "allow"))
    else:
        os.kill(pid, 9)
    _, status = os.waitpid(pid, 0)
    print(json.dumps({"code": os.waitstatus_to_exitcode(status), "seen": seen, "address": address, "pages": pages}))


main()
