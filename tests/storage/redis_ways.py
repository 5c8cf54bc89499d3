# SPDX-License-Identifier: MIT
"""Ways to a Redis server, by the command line: TLS with and without a good certificate, sockets, passwords, a cluster that sends us to another
node, a line that a dead writer of Optuna's cluster mode left out.

    redis_ways.py TRIALOG
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import servers  # noqa: E402

TRIALOG = sys.argv[1]
OPTUNA = os.environ.get("TRIALOG_PYTHON_OPTUNA")
SECRET = "s3cret-w0rd"

READER = """
import sys, warnings
warnings.simplefilter("ignore")
import optuna
from optuna.storages.journal import JournalRedisBackend
storage = optuna.storages.JournalStorage(JournalRedisBackend(sys.argv[1], use_cluster=True, prefix=sys.argv[2]))
print(" ".join(s.study_name for s in storage.get_all_studies()))
"""


def trialog(url, *words, environment=None):
    done = subprocess.run([TRIALOG, "--storage", url, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=dict(os.environ, **(environment or {})), timeout=60)
    assert SECRET not in done.stdout, done.stdout
    return done.returncode, done.stdout


def works(url, **more):
    code, text = trialog(url, "create-study", "--study-name", "s", "--skip-if-exists", **more)
    assert code == 0, text
    code, text = trialog(url, "study-names", **more)
    assert code == 0 and text == "s\n", text


def refused(url, status, part, **more):
    code, text = trialog(url, "study-names", **more)
    assert code == status and part in text, (code, text)


def passwords():
    with servers.server("redis", password=SECRET) as s:
        host = f"127.0.0.1:{s.port}/0?prefix=p"
        works(f"redis://:{SECRET}@{host}")
        works(f"redis://default:{SECRET}@{host}")
        works(f"redis://{host}", environment={"REDISCLI_AUTH": SECRET})
        works(f"unix://:{SECRET}@{s.path('sock')}?prefix=p")
        works(f"redis+unix://:{SECRET}@{s.path('sock')}?prefix=p&db=1")
        refused(f"redis://{host}", 16, "REDISCLI_AUTH")
        refused(f"redis://:{SECRET}x@{host}", 16, "password")
        refused(f"redis://:{SECRET}@{host}&nonsense=1", 2, "'nonsense'")
    refused(f"redis://:{SECRET}@127.0.0.1:{s.port}/0", 13, "cannot connect")
    refused("unix:///no/such/socket", 13, "/no/such/socket")
    print("passwords and sockets: fine")


def make_certificates(folder):
    """An authority, a server's certificate for localhost alone, and one of another authority."""
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    with open(os.path.join(folder, "names"), "w") as f:
        f.write("subjectAltName=DNS:localhost\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.pem", "-days", "2",
            "-extfile", "names")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "other.key", "-out", "other.pem", "-days", "2", "-subj", "/CN=stranger")


def certificates(server, url, at):
    """The server wants a certificate of the client, too; it says so in the handshake, or behind it from TLS 1.3 on."""
    own = "&ssl_certfile=" + at("server.pem")
    for protocol in "TLSv1.2", "TLSv1.3":
        server.command_line("config", "set", "tls-protocols", protocol)
        refused(url, 16, "wants a certificate of ours (ssl_certfile=FILE")
        refused(url + "&ssl_certfile=" + at("other.pem") + "&ssl_keyfile=" + at("other.key"), 16, "refuses the certificate of ssl_certfile")
    server.command_line("config", "set", "tls-protocols", "")
    refused(url + own, 2, "no ssl_keyfile=FILE names one")
    refused(url + own + "&ssl_keyfile=" + at("other.key"), 2, "other.key: TLS: no key of this certificate")
    refused(url + own + "&ssl_keyfile=" + at("none"), 2, "none: TLS: no key of this certificate")
    refused(url + "&ssl_certfile=" + at("none"), 2, "none: TLS: no certificate can be read")


def tls():
    if not shutil.which("openssl"):
        print("TLS: left out, there is no openssl to make certificates with")
        return
    with tempfile.TemporaryDirectory() as folder:
        make_certificates(folder)
        at = lambda name: os.path.join(folder, name)
        port = servers.free_port()
        settings = {"tls-port": str(port), "tls-cert-file": at("server.pem"), "tls-key-file": at("server.key"), "tls-ca-cert-file": at("ca.pem")}
        try:
            server = servers.Redis(settings=dict(settings, save="", appendonly="no"), password=SECRET)
        except RuntimeError as e:
            if "tls" not in str(e).lower():
                raise
            print("TLS: left out, this Redis has none")
            return
        with server:
            ca = "&ssl_ca_certs=" + at("ca.pem")
            url = f"rediss://:{SECRET}@localhost:{port}/0?prefix=p"
            refused(url, 13, "certificate is refused")
            refused(f"rediss://:{SECRET}@127.0.0.1:{port}/0?prefix=p" + ca, 13, "certificate is refused")
            certificates(server, url + ca, at)
            mine = ca + "&ssl_certfile=" + at("server.pem") + "&ssl_keyfile=" + at("server.key")
            works(url + mine)
            works(f"rediss://:{SECRET}@127.0.0.1:{port}/0?prefix=p&ssl_check_hostname=false" + mine)
            works(f"rediss://:{SECRET}@127.0.0.1:{port}/0?prefix=p&ssl_cert_reqs=none" + mine[len(ca):])
            refused(f"redis://:{SECRET}@127.0.0.1:{port}/0?socket_timeout=0.5", 13, "")  # plain words on a TLS port
            code, text = trialog(url + mine, "optimize", "--study-name", "s", "--trials", "20", "--jobs", "2", "--param", "x=float(-1,1)",
                                 "--", "sh", "-c", "echo {x}")
            assert code == 0, text
            refused(f"rediss://localhost:{server.port}/0?socket_timeout=1", 13, "")  # TLS on a plain port
        print("TLS: fine")


def cluster():
    """Two nodes: whoever is asked, the keys are on the node that has the slot."""
    settings = {"cluster-enabled": "yes", "save": "", "appendonly": "no"}
    with servers.server("redis", settings=settings) as a, servers.server("redis", settings=settings) as b:
        for s, slots in ((a, ("0", "8191")), (b, ("8192", "16383"))):
            s.command_line("CLUSTER", "ADDSLOTSRANGE", *slots)
        a.command_line("CLUSTER", "MEET", "127.0.0.1", str(b.port))
        limit = time.monotonic() + 60
        while not all("cluster_state:ok" in s.command_line("CLUSTER", "INFO") and "cluster_known_nodes:2" in s.command_line("CLUSTER", "INFO")
                      for s in (a, b)):
            assert time.monotonic() < limit
            time.sleep(0.05)
        refused(a.url("untagged"), 7, "{tag}")
        for s in (a, b):
            works(s.url("{one}"))
            works(s.url("{two}x"))
    print("cluster: fine")


def hole():
    """A writer of Optuna's cluster mode died after it had counted its line: Optuna's readers hang, until one of ours comes by."""
    with servers.server("redis") as s:
        url = s.url("p")
        works(url)
        s.command_line("INCR", "p:log_number")
        theirs = None
        if OPTUNA:
            theirs = subprocess.Popen([OPTUNA, "-c", READER, url.partition("?")[0], "p"], stdout=subprocess.PIPE, text=True)
        code, text = trialog(url + "&hole_timeout=1.5", "create-study", "--study-name", "t")
        assert code == 0 and "given up" in text, text
        if theirs:
            said = theirs.communicate(timeout=60)[0]
            # who was waiting at the hole reads as far as the log went when it came; who came later reads all
            assert theirs.returncode == 0 and said.split() in (["s"], ["s", "t"]), said
        code, text = trialog(url, "study-names")
        assert code == 0 and text == "s\nt\n", text
    print("a line that never came: given up" + (", and Optuna's reader went on" if OPTUNA else ""))


def leases():
    """A worker is killed; the next one fails its trial after the lease and runs a copy of it."""
    with servers.server("redis") as s:
        url = s.url("p")
        space = ["--param", "x=float(-1,1)"]
        victim = subprocess.Popen([TRIALOG, "--storage", url, "optimize", "--study-name", "s", "--trials", "3", "--lease", "1s",
                                   "--retry-lost", "1", *space, "--", "sleep", "100"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        limit = time.monotonic() + 60
        while s.command_line("SCARD", "p:trialog:leases").strip() != "1":
            assert time.monotonic() < limit and victim.poll() is None
            time.sleep(0.02)
        victim.kill()
        victim.wait()
        code, text = trialog(url, "workers")
        assert code == 0 and "s" in text, text
        code, text = trialog(url, "optimize", "--study-name", "s", "--trials", "4", "--lease", "1s", "--wait", *space, "--", "sh", "-c",
                             "echo {x}")
        assert code == 0, text
        code, text = trialog(url, "trials", "--study-name", "s", "--format", "json")
        assert code == 0 and text.count("COMPLETE") == 3 and text.count("FAIL") == 1, text
        left = s.command_line("KEYS", "p:trialog:lease*").split()
        assert not left, left
    print("leases: a killed worker's trial failed once and was run again")


def poisoned_snapshot():
    """What lies under Optuna's snapshot key is a pickle, which may run anything: we do not read it."""
    with servers.server("redis") as s, tempfile.TemporaryDirectory() as folder:
        mark = os.path.join(folder, "ran")
        s.command_line("SET", "p:snapshot", f"cos\nsystem\n(S'touch {mark}'\ntR.")
        works(s.url("p"))
        assert not os.path.exists(mark)
        assert s.command_line("EXISTS", "p:snapshot").strip() == "1"
    print("a poisoned snapshot: not touched")


def main():
    for part in (passwords, tls, cluster, hole, leases, poisoned_snapshot):
        part()
    return 0


if __name__ == "__main__":
    sys.exit(main())
