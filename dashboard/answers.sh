# bash answers.sh PORT PATH: whether a server on 127.0.0.1 answers 200, for health checks.
# It takes milliseconds; a Python that only starts for this takes a tenth of a second of a core.
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3
read -r _ status _ <&3 && [ "$status" = 200 ]
