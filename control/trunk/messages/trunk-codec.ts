/* eslint-disable */
// @ts-nocheck -- protons is not written for exactOptionalPropertyTypes; the exported types are checked where used.
// Generated from trunk.proto by `npm run generate:proto`; do not edit.
import { decodeMessage, encodeMessage, MaxLengthError, message } from 'protons-runtime'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface TrunkMessage {
  hello?: Hello
  helloReply?: HelloReply
  meet?: Meet
  rekeyRequest?: RekeyRequest
  bye?: Bye
  routes?: Routes
  tree?: Tree
  trace?: Trace
  candidates?: Candidates
}

export const TrunkMessage = (() => {
  let _codec: undefined | Codec<TrunkMessage>

  const codec = (): Codec<TrunkMessage> => {
    if (_codec == null) {
      _codec = message<TrunkMessage>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.hello != null) {
          w.uint32(10)
          Hello.codec().encode(obj.hello, w)
        }

        if (obj.helloReply != null) {
          w.uint32(18)
          HelloReply.codec().encode(obj.helloReply, w)
        }

        if (obj.meet != null) {
          w.uint32(26)
          Meet.codec().encode(obj.meet, w)
        }

        if (obj.rekeyRequest != null) {
          w.uint32(34)
          RekeyRequest.codec().encode(obj.rekeyRequest, w)
        }

        if (obj.bye != null) {
          w.uint32(42)
          Bye.codec().encode(obj.bye, w)
        }

        if (obj.routes != null) {
          w.uint32(50)
          Routes.codec().encode(obj.routes, w)
        }

        if (obj.tree != null) {
          w.uint32(58)
          Tree.codec().encode(obj.tree, w)
        }

        if (obj.trace != null) {
          w.uint32(66)
          Trace.codec().encode(obj.trace, w)
        }

        if (obj.candidates != null) {
          w.uint32(74)
          Candidates.codec().encode(obj.candidates, w)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {}

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.hello = Hello.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.hello
              })
              break
            }
            case 2: {
              obj.helloReply = HelloReply.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.helloReply
              })
              break
            }
            case 3: {
              obj.meet = Meet.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.meet
              })
              break
            }
            case 4: {
              obj.rekeyRequest = RekeyRequest.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.rekeyRequest
              })
              break
            }
            case 5: {
              obj.bye = Bye.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.bye
              })
              break
            }
            case 6: {
              obj.routes = Routes.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.routes
              })
              break
            }
            case 7: {
              obj.tree = Tree.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.tree
              })
              break
            }
            case 8: {
              obj.trace = Trace.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.trace
              })
              break
            }
            case 9: {
              obj.candidates = Candidates.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.candidates
              })
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * () {})
    }

    return _codec
  }

  function encode (obj: Partial<TrunkMessage>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, TrunkMessage.codec())
  }

  function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<TrunkMessage>): TrunkMessage {
    return decodeMessage(buf, TrunkMessage.codec(), opts)
  }

  return { codec, encode, decode };
})();

export interface Party {
  incarnation: Uint8Array<ArrayBuffer>
  workers: number
  linkMtuBytes: number
  features: string[]
  roles: string[]
  lanes: Lane[]
  datagramAddresses: DatagramAddress[]
  listenAddresses: string[]
  limits?: Limits
  datagramPort: number
}

export const Party = (() => {
  let _codec: undefined | Codec<Party>

  const codec = (): Codec<Party> => {
    if (_codec == null) {
      _codec = message<Party>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.incarnation != null && obj.incarnation.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.incarnation)
        }

        if ((obj.workers != null && obj.workers !== 0)) {
          w.uint32(16)
          w.uint32(obj.workers)
        }

        if ((obj.linkMtuBytes != null && obj.linkMtuBytes !== 0)) {
          w.uint32(24)
          w.uint32(obj.linkMtuBytes)
        }

        if (obj.features != null && obj.features.length > 0) {
          for (const value of obj.features) {
            w.uint32(34)
            w.string(value)
          }
        }

        if (obj.roles != null && obj.roles.length > 0) {
          for (const value of obj.roles) {
            w.uint32(42)
            w.string(value)
          }
        }

        if (obj.lanes != null && obj.lanes.length > 0) {
          for (const value of obj.lanes) {
            w.uint32(50)
            Lane.codec().encode(value, w)
          }
        }

        if (obj.datagramAddresses != null && obj.datagramAddresses.length > 0) {
          for (const value of obj.datagramAddresses) {
            w.uint32(58)
            DatagramAddress.codec().encode(value, w)
          }
        }

        if (obj.listenAddresses != null && obj.listenAddresses.length > 0) {
          for (const value of obj.listenAddresses) {
            w.uint32(66)
            w.string(value)
          }
        }

        if (obj.limits != null) {
          w.uint32(74)
          Limits.codec().encode(obj.limits, w)
        }

        if ((obj.datagramPort != null && obj.datagramPort !== 0)) {
          w.uint32(80)
          w.uint32(obj.datagramPort)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          incarnation: new Uint8Array(0),
          workers: 0,
          linkMtuBytes: 0,
          features: [],
          roles: [],
          lanes: [],
          datagramAddresses: [],
          listenAddresses: [],
          datagramPort: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.incarnation = reader.bytes()
              break
            }
            case 2: {
              obj.workers = reader.uint32()
              break
            }
            case 3: {
              obj.linkMtuBytes = reader.uint32()
              break
            }
            case 4: {
              if (opts.limits?.features != null && obj.features.length === opts.limits.features) {
                throw new MaxLengthError('Decode error - repeated field "features" had too many elements')
              }

              obj.features.push(reader.string())
              break
            }
            case 5: {
              if (opts.limits?.roles != null && obj.roles.length === opts.limits.roles) {
                throw new MaxLengthError('Decode error - repeated field "roles" had too many elements')
              }

              obj.roles.push(reader.string())
              break
            }
            case 6: {
              if (opts.limits?.lanes != null && obj.lanes.length === opts.limits.lanes) {
                throw new MaxLengthError('Decode error - repeated field "lanes" had too many elements')
              }

              obj.lanes.push(Lane.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.lanes$
              }))
              break
            }
            case 7: {
              if (opts.limits?.datagramAddresses != null && obj.datagramAddresses.length === opts.limits.datagramAddresses) {
                throw new MaxLengthError('Decode error - repeated field "datagramAddresses" had too many elements')
              }

              obj.datagramAddresses.push(DatagramAddress.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.datagramAddresses$
              }))
              break
            }
            case 8: {
              if (opts.limits?.listenAddresses != null && obj.listenAddresses.length === opts.limits.listenAddresses) {
                throw new MaxLengthError('Decode error - repeated field "listenAddresses" had too many elements')
              }

              obj.listenAddresses.push(reader.string())
              break
            }
            case 9: {
              obj.limits = Limits.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.limits
              })
              break
            }
            case 10: {
              obj.datagramPort = reader.uint32()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * () {})
    }

    return _codec
  }

  function encode (obj: Partial<Party>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Party.codec())
  }

  function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Party>): Party {
    return decodeMessage(buf, Party.codec(), opts)
  }

  return { codec, encode, decode };
})();

export interface Limits {
  maxLanes: number
  maxMeetTags: number
}

export const Limits = (() => {
  let _codec: undefined | Codec<Limits>

  const codec = (): Codec<Limits> => {
    if (_codec == null) {
      _codec = message<Limits>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.maxLanes != null && obj.maxLanes !== 0)) {
          w.uint32(8)
          w.uint32(obj.maxLanes)
        }

        if ((obj.maxMeetTags != null && obj.maxMeetTags !== 0)) {
          w.uint32(16)
          w.uint32(obj.maxMeetTags)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          maxLanes: 0,
          maxMeetTags: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.maxLanes = reader.uint32()
              break
            }
            case 2: {
              obj.maxMeetTags = reader.uint32()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * () {})
    }

    return _codec
  }

  function encode (obj: Partial<Limits>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Limits.codec())
  }

  function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Limits>): Limits {
    return decodeMessage(buf, Limits.codec(), opts)
  }

  return { codec, encode, decode };
})();

export interface Lane {
  carrier: number
  lane: number
  receiverIndex: number
}

export const Lane = (() => {
  let _codec: undefined | Codec<Lane>

  const codec = (): Codec<Lane> => {
    if (_codec == null) {
      _codec = message<Lane>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.carrier != null && obj.carrier !== 0)) {
          w.uint32(8)
          w.uint32(obj.carrier)
        }

        if ((obj.lane != null && obj.lane !== 0)) {
          w.uint32(16)
          w.uint32(obj.lane)
        }

        if ((obj.receiverIndex != null && obj.receiverIndex !== 0)) {
          w.uint32(24)
          w.uint32(obj.receiverIndex)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          carrier: 0,
          lane: 0,
          receiverIndex: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.carrier = reader.uint32()
              break
            }
            case 2: {
              obj.lane = reader.uint32()
              break
            }
            case 3: {
              obj.receiverIndex = reader.uint32()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * () {})
    }

    return _codec
  }

  function encode (obj: Partial<Lane>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Lane.codec())
  }

  function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Lane>): Lane {
    return decodeMessage(buf, Lane.codec(), opts)
  }

  return { codec, encode, decode };
})();

export interface DatagramAddress {
  ip: Uint8Array<ArrayBuffer>
  port: number
}

export const DatagramAddress = (() => {
  let _codec: undefined | Codec<DatagramAddress>

  const codec = (): Codec<DatagramAddress> => {
    if (_codec == null) {
      _codec = message<DatagramAddress>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.ip != null && obj.ip.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.ip)
        }

        if ((obj.port != null && obj.port !== 0)) {
          w.uint32(16)
          w.uint32(obj.port)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          ip: new Uint8Array(0),
          port: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.ip = reader.bytes()
              break
            }
            case 2: {
              obj.port = reader.uint32()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * () {})
    }

    return _codec
  }

  function encode (obj: Partial<DatagramAddress>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, DatagramAddress.codec())
  }

  function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<DatagramAddress>): DatagramAddress {
    return decodeMessage(buf, DatagramAddress.codec(), opts)
  }

  return { codec, encode, decode };
})();

export interface Hello {
  minVersion: number
  maxVersion: number
  session: Uint8Array<ArrayBuffer>
  generation: number
  x25519PublicKey: Uint8Array<ArrayBuffer>
  mlKemPublicKey: Uint8Array<ArrayBuffer>
  party?: Party
  rekey: boolean
}

export const Hello = (() => {
  let _codec: undefined | Codec<Hello>

  const codec = (): Codec<Hello> => {
    if (_codec == null) {
      _codec = message<Hello>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.minVersion != null && obj.minVersion !== 0)) {
          w.uint32(8)
          w.uint32(obj.minVersion)
        }

        if ((obj.maxVersion != null && obj.maxVersion !== 0)) {
          w.uint32(16)
          w.uint32(obj.maxVersion)
        }

        if ((obj.session != null && obj.session.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.session)
        }

        if ((obj.generation != null && obj.generation !== 0)) {
          w.uint32(32)
          w.uint32(obj.generation)
        }

        if ((obj.x25519PublicKey != null && obj.x25519PublicKey.byteLength > 0)) {
          w.uint32(42)
          w.bytes(obj.x25519PublicKey)
        }

        if ((obj.mlKemPublicKey != null && obj.mlKemPublicKey.byteLength > 0)) {
          w.uint32(50)
          w.bytes(obj.mlKemPublicKey)
        }

        if (obj.party != null) {
          w.uint32(58)
          Party.codec().encode(obj.party, w)
        }

        if ((obj.rekey != null && obj.rekey !== false)) {
          w.uint32(64)
          w.bool(obj.rekey)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          minVersion: 0,
          maxVersion: 0,
          session: new Uint8Array(0),
          generation: 0,
          x25519PublicKey: new Uint8Array(0),
          mlKemPublicKey: new Uint8Array(0),
          rekey: false
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.minVersion = reader.uint32()
              break
            }
            case 2: {
              obj.maxVersion = reader.uint32()
              break
            }
            case 3: {
              obj.session = reader.bytes()
              break
            }
            case 4: {
              obj.generation = reader.uint32()
              break
            }
            case 5: {
              obj.x25519PublicKey = reader.bytes()
              break
            }
            case 6: {
              obj.mlKemPublicKey = reader.bytes()
              break
            }
            case 7: {
              obj.party = Party.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.party
              })
              break
            }
            case 8: {
              obj.rekey = reader.bool()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * () {})
    }

    return _codec
  }

  function encode (obj: Partial<Hello>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Hello.codec())
  }

  function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Hello>): Hello {
    return decodeMessage(buf, Hello.codec(), opts)
  }

  return { codec, encode, decode };
})();

export interface HelloReply {
  version: number
  session: Uint8Array<ArrayBuffer>
  generation: number
  x25519PublicKey: Uint8Array<ArrayBuffer>
  mlKemCiphertext: Uint8Array<ArrayBuffer>
  party?: Party
}

export const HelloReply = (() => {
  let _codec: undefined | Codec<HelloReply>

  const codec = (): Codec<HelloReply> => {
    if (_codec == null) {
      _codec = message<HelloReply>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.version != null && obj.version !== 0)) {
          w.uint32(8)
          w.uint32(obj.version)
        }

        if ((obj.session != null && obj.session.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.session)
        }

        if ((obj.generation != null && obj.generation !== 0)) {
          w.uint32(24)
          w.uint32(obj.generation)
        }

        if ((obj.x25519PublicKey != null && obj.x25519PublicKey.byteLength > 0)) {
          w.uint32(34)
          w.bytes(obj.x25519PublicKey)
        }

        if ((obj.mlKemCiphertext != null && obj.mlKemCiphertext.byteLength > 0)) {
          w.uint32(42)
          w.bytes(obj.mlKemCiphertext)
        }

        if (obj.party != null) {
          w.uint32(50)
          Party.codec().encode(obj.party, w)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          version: 0,
          session: new Uint8Array(0),
          generation: 0,
          x25519PublicKey: new Uint8Array(0),
          mlKemCiphertext: new Uint8Array(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.version = reader.uint32()
              break
            }
            case 2: {
              obj.session = reader.bytes()
              break
            }
            case 3: {
              obj.generation = reader.uint32()
              break
            }
            case 4: {
              obj.x25519PublicKey = reader.bytes()
              break
            }
            case 5: {
              obj.mlKemCiphertext = reader.bytes()
              break
            }
            case 6: {
              obj.party = Party.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.party
              })
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * () {})
    }

    return _codec
  }

  function encode (obj: Partial<HelloReply>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, HelloReply.codec())
  }

  function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<HelloReply>): HelloReply {
    return decodeMessage(buf, HelloReply.codec(), opts)
  }

  return { codec, encode, decode };
})();

export interface Meet {
  tags: Uint8Array<ArrayBuffer>[]
}

export const Meet = (() => {
  let _codec: undefined | Codec<Meet>

  const codec = (): Codec<Meet> => {
    if (_codec == null) {
      _codec = message<Meet>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.tags != null && obj.tags.length > 0) {
          for (const value of obj.tags) {
            w.uint32(10)
            w.bytes(value)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          tags: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.tags != null && obj.tags.length === opts.limits.tags) {
                throw new MaxLengthError('Decode error - repeated field "tags" had too many elements')
              }

              obj.tags.push(reader.bytes())
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * () {})
    }

    return _codec
  }

  function encode (obj: Partial<Meet>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Meet.codec())
  }

  function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Meet>): Meet {
    return decodeMessage(buf, Meet.codec(), opts)
  }

  return { codec, encode, decode };
})();

export interface RekeyRequest {
  lanes: Lane[]
}

export const RekeyRequest = (() => {
  let _codec: undefined | Codec<RekeyRequest>

  const codec = (): Codec<RekeyRequest> => {
    if (_codec == null) {
      _codec = message<RekeyRequest>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.lanes != null && obj.lanes.length > 0) {
          for (const value of obj.lanes) {
            w.uint32(10)
            Lane.codec().encode(value, w)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          lanes: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.lanes != null && obj.lanes.length === opts.limits.lanes) {
                throw new MaxLengthError('Decode error - repeated field "lanes" had too many elements')
              }

              obj.lanes.push(Lane.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.lanes$
              }))
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * () {})
    }

    return _codec
  }

  function encode (obj: Partial<RekeyRequest>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, RekeyRequest.codec())
  }

  function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<RekeyRequest>): RekeyRequest {
    return decodeMessage(buf, RekeyRequest.codec(), opts)
  }

  return { codec, encode, decode };
})();

export interface Routes {
  body: Uint8Array<ArrayBuffer>
}

export const Routes = (() => {
  let _codec: undefined | Codec<Routes>

  const codec = (): Codec<Routes> => {
    if (_codec == null) {
      _codec = message<Routes>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.body != null && obj.body.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.body)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          body: new Uint8Array(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.body = reader.bytes()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * () {})
    }

    return _codec
  }

  function encode (obj: Partial<Routes>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Routes.codec())
  }

  function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Routes>): Routes {
    return decodeMessage(buf, Routes.codec(), opts)
  }

  return { codec, encode, decode };
})();

export interface Tree {
  body: Uint8Array<ArrayBuffer>
}

export const Tree = (() => {
  let _codec: undefined | Codec<Tree>

  const codec = (): Codec<Tree> => {
    if (_codec == null) {
      _codec = message<Tree>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.body != null && obj.body.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.body)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          body: new Uint8Array(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.body = reader.bytes()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * () {})
    }

    return _codec
  }

  function encode (obj: Partial<Tree>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Tree.codec())
  }

  function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Tree>): Tree {
    return decodeMessage(buf, Tree.codec(), opts)
  }

  return { codec, encode, decode };
})();

export interface Trace {
  body: Uint8Array<ArrayBuffer>
}

export const Trace = (() => {
  let _codec: undefined | Codec<Trace>

  const codec = (): Codec<Trace> => {
    if (_codec == null) {
      _codec = message<Trace>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.body != null && obj.body.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.body)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          body: new Uint8Array(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.body = reader.bytes()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * () {})
    }

    return _codec
  }

  function encode (obj: Partial<Trace>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Trace.codec())
  }

  function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Trace>): Trace {
    return decodeMessage(buf, Trace.codec(), opts)
  }

  return { codec, encode, decode };
})();

export interface Candidates {
  isAnswer: boolean
  lanes: LaneCandidates[]
  padding: Uint8Array<ArrayBuffer>
}

export const Candidates = (() => {
  let _codec: undefined | Codec<Candidates>

  const codec = (): Codec<Candidates> => {
    if (_codec == null) {
      _codec = message<Candidates>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.isAnswer != null && obj.isAnswer !== false)) {
          w.uint32(8)
          w.bool(obj.isAnswer)
        }

        if (obj.lanes != null && obj.lanes.length > 0) {
          for (const value of obj.lanes) {
            w.uint32(18)
            LaneCandidates.codec().encode(value, w)
          }
        }

        if ((obj.padding != null && obj.padding.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.padding)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          isAnswer: false,
          lanes: [],
          padding: new Uint8Array(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.isAnswer = reader.bool()
              break
            }
            case 2: {
              if (opts.limits?.lanes != null && obj.lanes.length === opts.limits.lanes) {
                throw new MaxLengthError('Decode error - repeated field "lanes" had too many elements')
              }

              obj.lanes.push(LaneCandidates.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.lanes$
              }))
              break
            }
            case 3: {
              obj.padding = reader.bytes()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * () {})
    }

    return _codec
  }

  function encode (obj: Partial<Candidates>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Candidates.codec())
  }

  function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Candidates>): Candidates {
    return decodeMessage(buf, Candidates.codec(), opts)
  }

  return { codec, encode, decode };
})();

export interface LaneCandidates {
  lane: number
  addresses: DatagramAddress[]
}

export const LaneCandidates = (() => {
  let _codec: undefined | Codec<LaneCandidates>

  const codec = (): Codec<LaneCandidates> => {
    if (_codec == null) {
      _codec = message<LaneCandidates>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.lane != null && obj.lane !== 0)) {
          w.uint32(8)
          w.uint32(obj.lane)
        }

        if (obj.addresses != null && obj.addresses.length > 0) {
          for (const value of obj.addresses) {
            w.uint32(18)
            DatagramAddress.codec().encode(value, w)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          lane: 0,
          addresses: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.lane = reader.uint32()
              break
            }
            case 2: {
              if (opts.limits?.addresses != null && obj.addresses.length === opts.limits.addresses) {
                throw new MaxLengthError('Decode error - repeated field "addresses" had too many elements')
              }

              obj.addresses.push(DatagramAddress.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.addresses$
              }))
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * () {})
    }

    return _codec
  }

  function encode (obj: Partial<LaneCandidates>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, LaneCandidates.codec())
  }

  function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<LaneCandidates>): LaneCandidates {
    return decodeMessage(buf, LaneCandidates.codec(), opts)
  }

  return { codec, encode, decode };
})();

export interface Bye {
  code: string
  detail: string
  minVersion: number
  maxVersion: number
}

export const Bye = (() => {
  let _codec: undefined | Codec<Bye>

  const codec = (): Codec<Bye> => {
    if (_codec == null) {
      _codec = message<Bye>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.code != null && obj.code !== '')) {
          w.uint32(10)
          w.string(obj.code)
        }

        if ((obj.detail != null && obj.detail !== '')) {
          w.uint32(18)
          w.string(obj.detail)
        }

        if ((obj.minVersion != null && obj.minVersion !== 0)) {
          w.uint32(24)
          w.uint32(obj.minVersion)
        }

        if ((obj.maxVersion != null && obj.maxVersion !== 0)) {
          w.uint32(32)
          w.uint32(obj.maxVersion)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          code: '',
          detail: '',
          minVersion: 0,
          maxVersion: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.code = reader.string()
              break
            }
            case 2: {
              obj.detail = reader.string()
              break
            }
            case 3: {
              obj.minVersion = reader.uint32()
              break
            }
            case 4: {
              obj.maxVersion = reader.uint32()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * () {})
    }

    return _codec
  }

  function encode (obj: Partial<Bye>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Bye.codec())
  }

  function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Bye>): Bye {
    return decodeMessage(buf, Bye.codec(), opts)
  }

  return { codec, encode, decode };
})();
