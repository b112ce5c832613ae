-- wrk sends one photo in each request: PHOTO=shoe.jpg wrk -t2 -c8 -d30s -s benchmarks/predict.lua http://127.0.0.1:3000/predict
local photo = assert(io.open(os.getenv("PHOTO"), "rb"))
wrk.method = "POST"
wrk.headers["Content-Type"] = "image/jpeg"
wrk.body = photo:read("*a")
