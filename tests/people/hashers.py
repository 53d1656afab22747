"""A password hasher that takes as long as a real one, for tests of how many run at once."""

import time

from django.contrib.auth.hashers import MD5PasswordHasher


class SlowHasher(MD5PasswordHasher):
    algorithm = "slow_md5"

    def encode(self, password: str, salt: str) -> str:
        time.sleep(0.5)
        return super().encode(password, salt)
