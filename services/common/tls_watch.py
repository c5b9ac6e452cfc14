"""Whether the files of a TLS identity changed."""

import structlog

from services.common.tls import TlsFiles, TlsMaterial

_log = structlog.get_logger(__name__)


class TlsWatch:
    """Notices that the files were replaced, and waits until they fit together.

    A renewal replaces key and certificate one after the other; between the two the old pair is used on.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._stamp = files.stamp()
        self.material = files.read()

    def changed(self) -> TlsMaterial | None:
        """The new material, once for each replacement; None while nothing usable is new."""
        try:
            stamp = self._files.stamp()
            if stamp == self._stamp:
                return None
            material = self._files.read()
        except (OSError, ValueError, TypeError) as error:
            _log.warning("tls.not_usable", error=str(error))
            return None
        self._stamp = stamp
        if material == self.material:
            return None
        self.material = material
        _log.info("tls.reloaded")
        return material
