# The server on a CPU: docker build -t las-asr . && docker run --stop-timeout 720 -p 8000:8000 las-asr
FROM python:3.12-slim AS build
RUN pip install --no-cache-dir uv
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY asr ./asr
# PyTorch's CPU builds, since the CUDA libraries take several GB. CI does not reach their index, so this image is not built there.
RUN uv venv /opt/asr && uv pip install --python /opt/asr/bin/python --torch-backend=cpu --no-cache -c constraints.txt '.[serve]'

FROM python:3.12-slim
RUN useradd --create-home --uid 10001 asr
COPY --from=build /opt/asr /opt/asr
ENV PATH=/opt/asr/bin:$PATH PYTHONUNBUFFERED=1
USER asr
WORKDIR /home/asr
EXPOSE 8000
# Uploads are kept in /tmp while they are heard; a read-only container needs --tmpfs /tmp.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["asr", "serve", "--host", "0.0.0.0", "--port", "8000"]
