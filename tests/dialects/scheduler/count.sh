# Counts until somebody stops it.
n=0
while :; do
    n=$((n + 1))
    echo "$n"
    sleep 0.1
done
