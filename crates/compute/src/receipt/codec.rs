//! Receipts and their evidence as bytes: one encoding each, every length bounded before it is read.

use super::{Evidence, MAX_TEXT_BYTES, Receipt, SignedReceipt, VerifyClass};
use crate::inference::EngineId;
use bytes::BufMut;
use commonware_codec::{Buf, EncodeSize, Error, RangeCfg, Read, ReadExt, Write};
use primitives::{B256, BlobRoot, Digest};

/// Bytes of a request or an answer kept as evidence, at most: above any body the service accepts.
pub const MAX_EVIDENCE_BYTES: usize = 64 << 20;

fn write_text(text: &str, buf: &mut impl BufMut) {
    text.as_bytes().write(buf);
}

fn text_size(text: &str) -> usize {
    text.as_bytes().encode_size()
}

fn read_text(buf: &mut impl Buf) -> Result<String, Error> {
    let bytes = Vec::<u8>::read_cfg(buf, &(RangeCfg::from(0..=MAX_TEXT_BYTES), ()))?;
    String::from_utf8(bytes).map_err(|_| Error::Invalid("Receipt", "text is not UTF-8"))
}

impl Write for Receipt {
    fn write(&self, buf: &mut impl BufMut) {
        self.version.write(buf);
        self.chain_id.write(buf);
        write_text(&self.service, buf);
        self.model_root.write(buf);
        write_text(&self.engine.name, buf);
        write_text(&self.engine.version, buf);
        write_text(&self.engine.numerics, buf);
        self.request_hash.write(buf);
        self.response_hash.write(buf);
        self.price.write(buf);
        self.channel_id.0.write(buf);
        self.sequence.write(buf);
        self.timestamp_ms.write(buf);
        (self.verify_class as u8).write(buf);
    }
}

impl Read for Receipt {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        Ok(Self {
            version: u8::read(buf)?,
            chain_id: u64::read(buf)?,
            service: read_text(buf)?,
            model_root: BlobRoot::read(buf)?,
            engine: EngineId {
                name: read_text(buf)?,
                version: read_text(buf)?,
                numerics: read_text(buf)?,
            },
            request_hash: Digest::read(buf)?,
            response_hash: Digest::read(buf)?,
            price: u128::read(buf)?,
            channel_id: B256::from(<[u8; 32]>::read(buf)?),
            sequence: u64::read(buf)?,
            timestamp_ms: u64::read(buf)?,
            verify_class: match u8::read(buf)? {
                0 => VerifyClass::Signed,
                1 => VerifyClass::Reexecutable,
                other => return Err(Error::InvalidEnum(other)),
            },
        })
    }
}

impl EncodeSize for Receipt {
    fn encode_size(&self) -> usize {
        let texts = [
            &self.service,
            &self.engine.name,
            &self.engine.version,
            &self.engine.numerics,
        ];
        // version | chain id | three hashes | price | channel | sequence | time | class, beside the texts
        1 + 8 + 3 * 32 + 16 + 32 + 8 + 8 + 1 + texts.iter().map(|text| text_size(text)).sum::<usize>()
    }
}

impl Write for SignedReceipt {
    fn write(&self, buf: &mut impl BufMut) {
        self.receipt.write(buf);
        self.signature.write(buf);
    }
}

impl Read for SignedReceipt {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        Ok(Self {
            receipt: Receipt::read(buf)?,
            signature: <[u8; 65]>::read(buf)?,
        })
    }
}

impl EncodeSize for SignedReceipt {
    fn encode_size(&self) -> usize {
        self.receipt.encode_size() + self.signature.len()
    }
}

impl Write for Evidence {
    fn write(&self, buf: &mut impl BufMut) {
        self.salt.write(buf);
        self.request.write(buf);
        self.response.write(buf);
    }
}

impl Read for Evidence {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let bounds = (RangeCfg::from(0..=MAX_EVIDENCE_BYTES), ());
        Ok(Self {
            salt: <[u8; 32]>::read(buf)?,
            request: Vec::read_cfg(buf, &bounds)?,
            response: Vec::read_cfg(buf, &bounds)?,
        })
    }
}

impl EncodeSize for Evidence {
    fn encode_size(&self) -> usize {
        self.salt.len() + self.request.encode_size() + self.response.encode_size()
    }
}
