"""An interception: proxy, authority and files, and the environment that leads programs to them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from types import TracebackType

from upsim.clock import SystemClock
from upsim.intercept.environment import hand_over, variables
from upsim.intercept.hosts import Hosts
from upsim.intercept.proxy import Proxy, Target
from upsim.tls.certificates import throw_away_authority
from upsim.tls.folder import PrivateFolder


class Interception:
    """Leads calls to the real service to a simulator, for programs that are started with `env`.

    With `with`, the environment of this process is changed too, and is afterwards what it was. Clients read it when
    they are made: those made before go where they always went.

    Attributes:
        variables: what is changed in the environment.
    """

    def __init__(
        self,
        url: str,
        *,
        hosts: Iterable[str] = (),
        pass_through: Iterable[str] = (),
        more: Mapping[str, str] | None = None,
    ) -> None:
        """Listen, on loopback alone.

        Args:
            url: the simulator's.
            hosts: more hosts that are led to it, besides the service's own: names, or *.example.com.
            pass_through: hosts that may be called for real: names, *.example.com, HOST:PORT, or * for all.
            more: variables to be set besides.

        Raises:
            ValueError: one of these cannot be used; the text says which, and why.
        """
        known, target = Hosts.of(hosts, pass_through), Target.at(url)
        authority = throw_away_authority(known.intercepted, SystemClock().now())
        inherited = dict(os.environ)
        self._before: dict[str, str | None] = {}
        self._folder: PrivateFolder | None = PrivateFolder()
        try:
            handed = hand_over(self._folder, authority.pem, inherited, real=bool(known.passed))
            self._proxy = Proxy(known, target, authority.context, inherited)
        except BaseException:
            self._folder.close()
            raise
        self.variables = {**variables(self._proxy.url, handed, inherited), **(more or {})}

    @property
    def env(self) -> dict[str, str]:
        """This process's environment with the changes: for subprocess.run(…, env=…)."""
        return {**os.environ, **self.variables}

    @property
    def refused(self) -> dict[str, int]:
        """Who else was called, and not reached: HOST:PORT, and how often."""
        return self._proxy.refused()

    @property
    def passed(self) -> dict[str, int]:
        """Who was called for real: HOST:PORT, and how often."""
        return self._proxy.passed()

    def close(self) -> None:
        """Stop listening and remove what was written. A second time does nothing."""
        if self._folder is not None:
            self._proxy.close()
            self._folder.close()
            self._folder = None

    def __enter__(self) -> Interception:
        self._before = {name: os.environ.get(name) for name in self.variables}
        os.environ.update(self.variables)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self.close()
