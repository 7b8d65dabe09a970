# What compose.yaml runs: the package with its locked dependencies, and Anvil for a local chain.
FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends nodejs npm && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home crowdproof
WORKDIR /opt/crowdproof
COPY requirements requirements
RUN pip install --no-cache-dir --require-hashes -r requirements/base.lock && pip install --no-cache-dir torch==2.13.0
COPY hardhat-free-local-chain hardhat-free-local-chain
RUN cd hardhat-free-local-chain && npm ci --silent
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e .
USER crowdproof
CMD ["crowdproof", "up", "--port", "8080"]
